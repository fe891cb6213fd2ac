"""Whose request it is, as migrations want to know it."""

from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec

from proxy.migration.assignment import Side
from proxy.migration.roads import Traveller
from proxy.nouns import Caller, Endpoint
from proxy.parse import Request
from proxy.routing.stickiness import opening_of

_NOTHING: Final = (b"", b"null")


def traveller_of(request: Request, caller: Caller, begun: Mapping[str, Side]) -> Traveller:
    """The request's traveller. Its conversation is looked at only when somebody asks."""
    return Traveller(caller.key_id, caller.key_name, request.user, partial(_opening, request), begun)


def _opening(request: Request) -> bytes:
    """What every turn of the request's conversation says of it: the caller's name for it, else the one it is stored under,
    else how it began. b"" where a later turn may say none of them, because it only names the answer before it."""
    if request.session:
        return request.session.encode()
    fields = request.fields
    if request.endpoint is Endpoint.RESPONSES:
        if (stored := fields.raw("conversation")) not in _NOTHING:
            return stored
        if fields.raw("store") != b"false":
            return b""
    began = opening_of(fields)
    return msgspec.json.encode(began) if began else b""
