"""Whether a server may be trusted with money: new enough, never evicting, and what it would lose in a crash."""

from typing import Final

from proxy.store.client import Pipe

OLDEST: Final = 7
NO_JOURNAL: Final = "Redis keeps no append-only file: after a crash, budgets must be rebuilt from the last snapshot; set `appendonly yes`"


class UnfitServer(Exception):
    """The server must not be used; the message says what to change."""


async def check_server(pipe: Pipe) -> list[str]:
    """Warnings to show. Raises UnfitServer, or StoreAway when it does not answer."""
    facts = _facts(await pipe.call("INFO"))
    version = facts.get("valkey_version") or facts.get("redis_version", "0")
    if int(version.split(".")[0]) < OLDEST:
        raise UnfitServer(f"Redis {version} is too old: version {OLDEST} or newer is needed")
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise UnfitServer(
            f"maxmemory-policy is {policy}: Redis would throw away live budget counters when memory is short; "
            "set `maxmemory-policy noeviction`"
        )
    if facts.get("aof_enabled") != "1":
        return [NO_JOURNAL]
    return []


def _facts(info: bytes) -> dict[str, str]:
    lines = [line.partition(":") for line in info.decode().splitlines() if ":" in line]
    return {name: value.strip() for name, _, value in lines}
