"""The name of what we answer ourselves: support questions begin with a request id, and the SDKs show `x-request-id`."""

from proxy.errors import ApiError
from proxy.headers import Header
from proxy.ids import RandomIds

_ids = RandomIds(12)  # draws nothing before the first request, when workers have long been forked


def new_id() -> str:
    """A request id of ours."""
    return "sy-" + _ids()


def id_headers(request_id: str) -> tuple[Header, Header]:
    """The id as our own answers carry it."""
    written = request_id.encode()
    return (b"x-request-id", written), (b"x-switchyard-request-id", written)


def own_headers(refusal: ApiError, request_id: str) -> list[Header]:
    """A refusal's headers with a request id of ours."""
    return [*refusal.headers(), *id_headers(request_id)]
