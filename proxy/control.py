"""The wire between the parent and a worker: one JSON object a line over a socket pair.

    parent → worker   {"run": blueprint}       take up this configuration
    worker → parent   {"ready": pid}           accepting requests
                      {"running": ok, "why"}   the answer to `run`

Either side reads the end of the line as the other's death: a worker whose parent is gone drains and ends.
"""

import asyncio
import json
import socket
from dataclasses import asdict
from typing import Any

from proxy.app import Blueprint


class Control:
    """One end of the wire."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, sock: socket.socket) -> "Control":
        """Take over a connected socket."""
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=64 * 1024 * 1024)
        return cls(reader, writer)

    def send(self, **message: Any) -> None:
        """Queue one message; lost without an error when the other side is gone."""
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def receive(self) -> dict[str, Any] | None:
        """The next message; None when the other side is gone."""
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        message: dict[str, Any] | None = json.loads(line) if line else None
        return message

    def close(self) -> None:
        self._writer.close()


def pack(blueprint: Blueprint) -> dict[str, Any]:
    """A blueprint as a message's value."""
    return asdict(blueprint)


def unpack(value: dict[str, Any]) -> Blueprint:
    """The blueprint a message carries."""
    return Blueprint(**value)
