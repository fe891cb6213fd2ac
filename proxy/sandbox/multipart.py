"""Reading multipart/form-data: plain fields and files, in memory, without a dependency."""

import re
from dataclasses import dataclass

from proxy.sandbox.desk import Request
from proxy.sandbox.refusals import bad

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_PARAMETER = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Upload:
    filename: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """The fields in order (a name may repeat, as `include[]` does) and the files by name."""

    fields: tuple[tuple[str, str], ...]
    files: dict[str, Upload]

    def field(self, name: str) -> str | None:
        return next((value for known, value in self.fields if known == name), None)


def read_form(request: Request) -> Form:
    """The form of a request. Raises `Refusal` when it is none or is broken."""
    kind = request.headers.get("content-type", "")
    boundary = _BOUNDARY.search(kind)
    if not kind.startswith("multipart/form-data") or boundary is None:
        raise bad(f"Invalid Content-Type header ({kind or 'none'}), expected multipart/form-data.")
    mark = b"--" + boundary[1].encode()
    parts = request.raw.split(mark)
    if len(parts) < 2 or not parts[-1].startswith(b"--"):
        raise bad("Could not parse multipart form.")
    fields: list[tuple[str, str]] = []
    files: dict[str, Upload] = {}
    for part in parts[1:-1]:
        head, found, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        named = dict(_PARAMETER.findall(head.decode("utf-8", "replace")))
        if not found or "name" not in named:
            raise bad("Could not parse multipart form.")
        content = content.removesuffix(b"\r\n")
        if "filename" in named:
            files[named["name"]] = Upload(named["filename"], content)
        else:
            fields.append((named["name"], content.decode("utf-8", "replace")))
    return Form(tuple(fields), files)
