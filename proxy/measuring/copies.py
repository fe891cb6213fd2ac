"""A client that is listened to: what it is sent is kept by reference, up to a bound, until it has been looked at."""

from proxy.headers import Header
from proxy.house import Client

MOST_BYTES = 4 * 1024 * 1024
"""Of one answer. A longer one is not looked at."""
MOST_HELD_BYTES = 32 * 1024 * 1024
"""Of all copies of a process; past that no further answer is listened to."""


class Shelf:
    """How much is held by all copies of a process."""

    __slots__ = ("held_bytes",)

    def __init__(self) -> None:
        self.held_bytes = 0

    @property
    def full(self) -> bool:
        """Whether no further answer should be listened to."""
        return self.held_bytes >= MOST_HELD_BYTES


class Listened:
    """Passes everything it is given on to the client it stands for."""

    __slots__ = ("_client", "_pieces", "_shelf", "size_bytes")

    def __init__(self, client: Client, shelf: Shelf) -> None:
        self._client = client
        self._shelf = shelf
        self._pieces: list[bytes] = []
        self.size_bytes = 0

    @property
    def cutting(self) -> bool:
        return self._client.cutting

    @property
    def started(self) -> bool:
        return self._client.started

    async def start(self, status: int, headers: list[Header], first: bytes) -> None:
        self._keep(first)
        await self._client.start(status, headers, first)

    async def write(self, block: bytes) -> None:
        self._keep(block)
        await self._client.write(block)

    def push(self, block: bytes) -> bool:
        sent = self._client.push(block)
        if sent:
            self._keep(block)
        return sent

    def chunk_writer(self) -> None:
        """What is not pushed is not seen here."""

    async def end(self) -> None:
        await self._client.end()

    async def whole(self, status: int, headers: list[Header], body: bytes) -> None:
        self._keep(body)
        await self._client.whole(status, headers, body)

    def _keep(self, block: bytes) -> None:
        self.size_bytes += len(block)
        if self.size_bytes <= MOST_BYTES:
            self._pieces.append(block)
            self._shelf.held_bytes += len(block)

    def taken(self) -> bytes | None:
        """What was sent, once; None when it was more than is kept."""
        copy = b"".join(self._pieces)
        self._shelf.held_bytes -= len(copy)
        self._pieces = []
        return copy if self.size_bytes <= MOST_BYTES else None
