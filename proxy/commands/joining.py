"""Where commands meet the proxies: the configured Redis, or the embedded server of this working directory by its socket.

A command never starts a server: without a running proxy there is nothing to show or change.
"""

import argparse
import asyncio
import getpass
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proxy.app.blueprint import Blueprint
from proxy.app.book import build_book
from proxy.app.configuration import Configuration, read_configuration, with_run_time
from proxy.budgets.scopes import Book
from proxy.commands.output import remark
from proxy.settings import Settings
from proxy.store.accounts import Accounts, RunTime
from proxy.store.client import Pipe, StoreAway, connected
from proxy.store.embedded import DIRECTORY, EmbeddedServer
from proxy.store.operator import Operator, Unknown
from proxy.store.server_check import why_away

Command = Callable[[argparse.Namespace, Sequence[str]], int]
_TIMEOUT_S: Final = 5.0
_WHY_S: Final = 1.0


class Refused(Exception):
    """The command cannot be done; the message says why and what to do instead."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a command works with. `settings` and `book` have the keys and limits made at run time, `configuration` has not."""

    configuration: Configuration
    settings: Settings
    book: Book
    pipe: Pipe
    operator: Operator
    run_time: RunTime
    now: float


def configured(given: argparse.Namespace) -> Configuration:
    """The configuration that `--config` names. Raises SettingsError."""
    return read_configuration(Blueprint(str(given.config) if given.config else None), os.environ)


def joined(work: Callable[[argparse.Namespace, Place], Awaitable[None]]) -> Command:
    """`work` as a command: with its place, and with one line and status 1 when it cannot be done."""

    def run(given: argparse.Namespace, _: Sequence[str]) -> int:
        try:
            asyncio.run(_join(given, work))
        except (Refused, Unknown, StoreAway) as why:
            remark(f"switchyard: {why}")
            return 1
        return 0

    return run


async def _join(
    given: argparse.Namespace, work: Callable[[argparse.Namespace, Place], Awaitable[None]]
) -> None:
    configuration = configured(given)
    url, shown = _url(configuration.settings)
    now = time.time()
    async with connected(url, timeout_s=_TIMEOUT_S) as pipe:
        run_time = await _run_time(pipe)
        if run_time is None:
            raise Refused(f"{shown} does not answer: {await why_away(url, timeout_s=_WHY_S)}")
        merged, refused = with_run_time(configuration, run_time)
        for why in refused:
            remark(f"warning: {why}")
        place = Place(
            configuration=configuration,
            settings=merged.settings,
            book=build_book(merged.settings, run_time),
            pipe=pipe,
            operator=Operator(pipe, who_types(), now),
            run_time=run_time,
            now=now,
        )
        try:
            await work(given, place)
        except StoreAway:
            raise Refused(
                f"{shown} stopped answering; look at `switchyard budgets audit` for what was done"
            ) from None


def _url(settings: Settings) -> tuple[str, str]:
    """(URL, how to call it without its password)."""
    if settings.redis.url is not None:
        url = settings.redis.url.get_secret_value()
        return url, f"Redis at {url.rpartition('@')[2].rpartition('//')[2]}"
    if not (DIRECTORY / "valkey.sock").exists():
        raise Refused(
            f"no proxy runs in {Path.cwd()} (there is no {DIRECTORY}/valkey.sock): go to the directory where "
            "`switchyard serve` runs, or set REDIS_URL or redis.url"
        )
    return EmbeddedServer().url, f"the embedded store under {DIRECTORY.absolute()}"


async def _run_time(pipe: Pipe) -> RunTime | None:
    """What was made at run time; None when Redis does not answer."""
    found: list[RunTime] = []
    accounts = Accounts(pipe, found.append)
    await accounts.poll()
    return found[0] if found else None


def who_types() -> str:
    """Who types, for the audit: by the environment, else by the system's list of users, which a container may not be on."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"
