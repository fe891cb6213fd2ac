"""What a process tree uses, read from /proc: CPU seconds, and memory as its proportional share (Linux only).

Memory is PSS: a page shared by two processes of a tree counts once, so that a proxy of several processes is not made to
look larger than it is. Processes that keep a store (`valkey`, `redis`) are counted apart from the proxy they belong to.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PSS: Final = re.compile(r"^Pss:\s+(\d+)", re.MULTILINE)
_STORES: Final = (b"valkey", b"redis")


@dataclass(frozen=True)
class Used:
    """`proxy_s` and `store_s` are CPU seconds since the processes began."""

    proxy_s: float
    store_s: float


def used(root: int) -> Used:
    """CPU of the tree below `root`, itself included."""
    proxy_s = store_s = 0.0
    for pid in tree(root):
        if _is_store(pid):
            store_s += _spent_s(pid)
        else:
            proxy_s += _spent_s(pid)
    return Used(proxy_s, store_s)


def move_stores(root: int, cpu: int) -> None:
    """Put the stores below `root` on a CPU of their own, where a Redis of another machine would leave the proxy alone."""
    for pid in tree(root):
        if _is_store(pid):
            os.sched_setaffinity(pid, {cpu})


def memory_mb(root: int) -> float:
    """Memory of the tree below `root`, without stores."""
    return sum(_pss_kb(pid) for pid in tree(root) if not _is_store(pid)) / 1024


def tree(root: int) -> list[int]:
    """`root` and all its living descendants."""
    parents = {int(name): _stat(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    found = [root]
    for pid in found:
        found += [child for child, fields in parents.items() if fields and int(fields[1]) == pid]
    return [pid for pid in found if parents.get(pid)]


def _spent_s(pid: int) -> float:
    """CPU seconds of a process: to the nanosecond what its living threads used, in whole ticks what it has used altogether."""
    fields = _stat(pid)
    ticks = int(fields[11]) + int(fields[12]) if fields else 0
    try:
        threads_ns = sum(
            _thread_ns(f"/proc/{pid}/task/{thread}") for thread in os.listdir(f"/proc/{pid}/task")
        )
    except OSError:  # it, or one of them, is gone
        threads_ns = 0
    return max(ticks / _TICKS, threads_ns / 1e9)


def _thread_ns(thread: str) -> int:
    return int(Path(thread, "schedstat").read_text().split()[0])


def _stat(pid: int) -> list[str]:
    """The fields behind the name in /proc/PID/stat; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _is_store(pid: int) -> bool:
    try:
        program = Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0]
    except OSError:
        return False
    return any(name in program for name in _STORES)


def _pss_kb(pid: int) -> int:
    try:
        found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0
