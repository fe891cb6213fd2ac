"""The Lua scripts: each file begins with its keys, arguments and returns, and carries its version in its name.

A replica of an older version calls its own scripts by their hashes during a rollout, so a script is never changed in
meaning: it gets a new number.
"""

from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Final


@dataclass(frozen=True, slots=True)
class Script:
    """A script's text and the SHA-1 by which Redis knows it."""

    name: str
    text: bytes
    sha: str


def _load(name: str) -> Script:
    text = files(__name__).joinpath(f"{name}.lua").read_bytes()
    return Script(name, text, sha1(text, usedforsecurity=False).hexdigest())


HOLD: Final = _load("hold_v2")
SETTLE: Final = _load("settle_v2")
RELEASE: Final = _load("release_v1")
RENEW: Final = _load("renew_v1")
EXPIRE: Final = _load("expire_v1")
ROLLUP: Final = _load("rollup_v1")
EPOCH: Final = _load("epoch_v1")
RESTORE: Final = _load("restore_v1")
MIGRATE: Final = _load("migrate_v1")
OBSERVE: Final = _load("observe_v1")
RAISE: Final = _load("raise_v1")
