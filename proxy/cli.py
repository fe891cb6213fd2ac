"""The `switchyard` command. Every subcommand reads the same configuration; `--config` names the file."""

import argparse
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import uvloop

from proxy import __version__
from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.commands import audit, budgets, explain, keys, migrate, models, spend
from proxy.commands.near import meant
from proxy.metrics.log import Log
from proxy.process import worker
from proxy.process.forks import fork
from proxy.process.order import Order
from proxy.process.parent import Parent
from proxy.settings import SettingsError, schema, shipped_file
from proxy.store.embedded import EmbeddedError
from proxy.store.server_check import UnfitServer


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    options = _parser()
    given, rest = options.parse_known_args(argv)
    if rest and given.command != "sandbox":
        options.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        return _run(given, rest)
    except SettingsError as mistakes:
        print(mistakes, file=sys.stderr)
        return 1
    except (EmbeddedError, UnfitServer) as error:
        print(f"switchyard: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read has seen enough. What is left to write must not fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        print(f"switchyard: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(given: argparse.Namespace, rest: Sequence[str]) -> int:
    """Its output is written out here, where a pipe that nobody reads can still be handled."""
    command: Callable[[argparse.Namespace, Sequence[str]], int] = given.run
    status = command(given, rest)
    sys.stdout.flush()
    return status


class _Parser(argparse.ArgumentParser):
    """Says which of its words was meant by one that it does not have; its subcommands' parsers are of this kind too."""

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message)
        near = meant(wrong[1], re.findall(r"[\w-]+", wrong[2])) if wrong else ""
        super().error(f"{message}{near}")


def _parser() -> argparse.ArgumentParser:
    options = _Parser(
        prog="switchyard", description="OpenAI-compatible routing proxy: change base_url, keep your app."
    )
    options.add_argument("--version", action="version", version=f"switchyard {__version__}")
    commands = options.add_subparsers(dest="command", required=True, metavar="COMMAND")
    configured = _Parser(add_help=False)
    configured.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="configuration file (left out: the shipped config/switchyard.yaml)",
    )
    serve = commands.add_parser("serve", parents=[configured], help="run the proxy")
    serve.add_argument("--host", help="address of the data port (default 127.0.0.1)")
    serve.add_argument("--port", help="data port (default 4000)")
    serve.add_argument("--admin-port", help="admin port: metrics and the operator's page (default 4001)")
    serve.add_argument("--workers", help="processes that serve the data port (default 1)")
    serve.add_argument(
        "--sandbox",
        action="store_true",
        default=None,
        help="answer from the simulated OpenAI instead of a provider",
    )
    serve.add_argument(
        "--demo",
        action="store_true",
        help="the simulated OpenAI with four applications that send traffic for half an hour; counted in ./.switchyard like any other",
    )
    serve.set_defaults(run=_serve)
    check = commands.add_parser("check", parents=[configured], help="list every mistake of the configuration")
    check.add_argument("file", type=Path, nargs="?", metavar="FILE", help="the same as --config FILE")
    check.set_defaults(run=_check)
    for each in (explain, keys, budgets, spend, migrate, models, audit):
        each.add_parser(commands, configured)
    commands.add_parser("schema", help="print the configuration's JSON Schema").set_defaults(run=_schema)
    sandbox = commands.add_parser("sandbox", add_help=False, help="run the simulated OpenAI alone")
    sandbox.set_defaults(run=_sandbox)
    return options


def _serve(given: argparse.Namespace, _: Sequence[str]) -> int:
    wishes = {
        "server.host": given.host,
        "server.port": given.port,
        "server.admin_port": given.admin_port,
        "server.workers": given.workers,
    }
    flags = {key: value for key, value in wishes.items() if value is not None}
    order = Order(given.config, flags, given.sandbox)
    if given.demo:
        if given.config:
            print("switchyard: --demo brings its own configuration; leave out --config", file=sys.stderr)
            return 2
        # Its keys are known to everybody: only ever in front of the simulated OpenAI, and on this machine.
        flags["server.host"] = "127.0.0.1"
        order = Order(shipped_file("demo.yaml"), flags, sandbox=True, demo=True)
    parent = Parent(order, os.environ)
    forks = fork(parent.workers, worker.forked)  # before the log, whose thread no fork would have
    log = Log(sys.stdout.fileno(), time.time)
    try:
        return uvloop.run(parent.run(forks, log))
    finally:
        log.close()


def _check(given: argparse.Namespace, _: Sequence[str]) -> int:
    if given.file and given.config:
        print("switchyard: name one file, with --config or without", file=sys.stderr)
        return 2
    named = given.config or given.file
    path = str(named) if named else None
    configuration = read_configuration(Blueprint(path), os.environ)
    for warning in configuration.warnings:
        print(f"warning: {warning}")
    print("The configuration is valid.")
    return 0


def _schema(_: argparse.Namespace, __: Sequence[str]) -> int:
    print(json.dumps(schema(), indent=2))
    return 0


def _sandbox(_: argparse.Namespace, rest: Sequence[str]) -> int:
    from proxy.sandbox import server  # noqa: PLC0415 - no other command needs it (simulation.py)

    return server.main(rest)


if __name__ == "__main__":
    sys.exit(main())
