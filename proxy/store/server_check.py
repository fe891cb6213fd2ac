"""Whether a server may be trusted with money: new enough, never evicting, and what it would lose in a crash; and why it
cannot be reached, for the one who wrote its URL."""

import asyncio
from typing import Final

from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

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


async def why_away(url: str, *, timeout_s: float) -> str:
    """What a connection is refused with (a wrong password, an unknown authority, nobody there); a few words in any case."""
    pool = ConnectionPool.from_url(url, retry=Retry(NoBackoff(), 0), driver_info=None, protocol=2)
    connection = pool.make_connection()  # type: ignore[no-untyped-call]
    try:
        async with asyncio.timeout(timeout_s):
            await connection.connect()
            await connection.send_command("PING", check_health=False)
            await connection.read_response()
    except TimeoutError:
        return f"no answer in {timeout_s:g} s"
    except (RedisError, OSError) as error:
        return str(error).rstrip(".")
    finally:
        await connection.disconnect(nowait=True)
    return "it stopped answering for a moment"


def _facts(info: bytes) -> dict[str, str]:
    lines = [line.partition(":") for line in info.decode().splitlines() if ":" in line]
    return {name: value.strip() for name, _, value in lines}
