"""What is written into a hold about its request: enough for the row of a hold that nobody settles. One line of text."""

from typing import Final

FIELDS: Final = (
    "request_id",
    "attempt",
    "endpoint",
    "key_id",
    "key_name",
    "team",
    "user_hash",
    "asked",
    "served",
    "provider",
    "route",
    "task",
)
_SEPARATOR: Final = "\x1f"


def label(*values: str) -> str:
    """The values of FIELDS, in their order."""
    return _SEPARATOR.join(values).replace("\n", " ")


def read_label(text: str) -> dict[str, str]:
    """The fields of a label by name."""
    return dict(zip(FIELDS, text.split(_SEPARATOR), strict=False))
