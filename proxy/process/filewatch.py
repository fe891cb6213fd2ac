"""Sees that a file was edited, wherever it lies.

Asking for its times once a second sees what notifications of network and overlay file systems miss (a Kubernetes ConfigMap
is swapped by a symbolic link).
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

WATCH_S: Final = 1.0


async def watch_file(path: Path, edited: Callable[[], None]) -> None:
    """Call `edited` when the file was changed and has stood still for one look: a file half written may well be valid,
    with half of its keys missing. Runs until cancelled."""
    taken = before = _stamp(path)
    while True:
        await asyncio.sleep(WATCH_S)
        now = _stamp(path)
        if now == before and now not in (taken, None):
            taken = now
            edited()
        before = now


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
