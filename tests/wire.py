"""Raw HTTP for tests that care how bytes travel: requests as written, answers as they came, streams one piece at a time."""

import json
import socket
from dataclasses import dataclass, field
from typing import Self

TIMEOUT_S = 20


@dataclass
class Answer:
    """One answer, complete. `headers` by lower-case name (the last of several), `raw` the head as sent."""

    status: int
    headers: dict
    body: bytes
    raw: bytes = b""

    def json(self):
        return json.loads(self.body)

    @property
    def error(self) -> dict:
        """The OpenAI error in it; fails when it is anything else."""
        envelope = json.loads(self.body)
        assert list(envelope) == ["error"], envelope
        assert list(envelope["error"]) == ["message", "type", "param", "code"], envelope
        return envelope["error"]


@dataclass
class Line:
    """One client connection."""

    port: int
    sock: socket.socket = field(init=False)
    buffered: bytes = b""

    def __post_init__(self) -> None:
        self.sock = socket.create_connection(("127.0.0.1", self.port), TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def send(self, data: bytes, piece: int = 0) -> None:
        """All of `data`, or `piece` bytes a packet; a peer that closed meanwhile has said all it will."""
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for at in range(0, len(data), piece or len(data)):
                self.sock.sendall(data[at : at + (piece or len(data))])
        except (BrokenPipeError, ConnectionResetError):
            return

    def head(self) -> Answer:
        """The head of the next answer; its body stays on the line."""
        while b"\r\n\r\n" not in self.buffered:
            block = self.sock.recv(65536)
            assert block, f"closed before an answer: {self.buffered!r}"
            self.buffered += block
        head, _, self.buffered = self.buffered.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = (line.split(":", 1) for line in lines)
        return Answer(
            int(first.split()[1]), {name.lower(): value.strip() for name, value in fields}, b"", head
        )

    def answer(self) -> Answer:
        """The next answer with its body."""
        found = self.head()
        found.body = self._body(found)
        return found

    def _body(self, found: Answer) -> bytes:
        if found.headers.get("transfer-encoding") == "chunked":
            body = b""
            while piece := self.chunk():
                body += piece
            return body
        if "content-length" in found.headers:
            return self._take(int(found.headers["content-length"]))
        return self.rest()

    def chunk(self) -> bytes:
        """One chunk of a chunked body; `b""` for the last."""
        while b"\r\n" not in self.buffered:
            self._more()
        size, _, self.buffered = self.buffered.partition(b"\r\n")
        return self._take(int(size.split(b";")[0], 16) + 2)[:-2]

    def _take(self, count: int) -> bytes:
        while len(self.buffered) < count:
            self._more()
        data, self.buffered = self.buffered[:count], self.buffered[count:]
        return data

    def _more(self) -> None:
        block = self.sock.recv(65536)
        if not block:
            raise ConnectionError(f"closed in the middle of an answer: {self.buffered[-200:]!r}")
        self.buffered += block

    def rest(self) -> bytes:
        """Everything until the other side closes."""
        try:
            while block := self.sock.recv(65536):
                self.buffered += block
        except ConnectionResetError:
            pass
        data, self.buffered = self.buffered, b""
        return data


def written(method: str, path: str, body: bytes = b"", headers: dict | None = None) -> bytes:
    """A request's bytes; with a body it has a length and says that it is JSON."""
    fields = {"host": "localhost", **(headers or {})}
    if body and "transfer-encoding" not in fields:
        fields = {"content-type": "application/json", "content-length": str(len(body)), **fields}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def ask(port: int, method: str, path: str, body=b"", headers: dict | None = None) -> Answer:
    """One request on a connection of its own. `body`: bytes as they are, anything else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with Line(port) as line:
        line.send(written(method, path, data, headers))
        return line.answer()


def chat(port: int, said: str = "hi", headers: dict | None = None, **fields) -> Answer:
    """One chat request."""
    return ask(port, "POST", "/v1/chat/completions", asking(said, **fields), headers)


def asking(said: str = "hi", **fields) -> dict:
    """A chat request's body."""
    return {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": said}], **fields}


def bearer(key: str) -> dict:
    return {"authorization": f"Bearer {key}"}


def posts(sandbox) -> list:
    """The calls callers made; the proxy itself asks for the list of models now and then."""
    return [call for call in sandbox.calls() if call["method"] == "POST"]
