"""An upstream that takes anything and tells what it got: for bodies of any size, and endpoints the sandbox does not have.

POST answers `{"id", "path", "bytes", "sha", "type"}` of what came, its id being the call's idempotency key if it has one.
GET /v1/files/big-N/content gives N MiB; of `cut-N` it gives the first and hangs up, of `hang-N` the first and then trickles;
`quote` is refused with the credentials that were sent.
"""

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MIB = bytes(range(256)) * 4096


class Echo:
    """`requests` are (method, path, headers) as they came; `bodies` how many bytes of each POST arrived;
    `gone` counts clients that left before the end of an answer."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict]] = []
        self.bodies: list[int] = []
        self.gone = 0
        self.made = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        echo = self.server.echo
        echo.requests.append((self.command, self.path, dict(self.headers)))
        seen, digest = 0, hashlib.sha256()
        with contextlib.suppress(ConnectionError, ValueError):
            for piece in self._pieces():
                seen += len(piece)
                digest.update(piece)
        echo.bodies.append(seen)
        echo.made += 1
        kind = self.headers.get("content-type", "")
        known = {
            "id": self.headers.get("idempotency-key") or f"obj_{echo.made}",
            "path": self.path,
            "bytes": seen,
            "sha": digest.hexdigest(),
        }
        self._say(json.dumps({**known, "type": kind, "file": {"id": f"file-of-{echo.made}"}}).encode())

    def do_DELETE(self) -> None:
        self.server.echo.requests.append((self.command, self.path, dict(self.headers)))
        self._say(b'{"deleted":true}')

    def do_GET(self) -> None:
        self.server.echo.requests.append((self.command, self.path, dict(self.headers)))
        name = self.path.split("/")[3] if self.path.startswith("/v1/files/") else ""
        kind, _, count = name.partition("-")
        if kind == "quote":
            quoted = {
                "message": f"sent with {self.headers['authorization']}",
                "type": "invalid_request_error",
            }
            self._say(json.dumps({"error": quoted}).encode(), 400)
            return
        if kind not in ("big", "cut", "hang"):
            self._say(b'{"id":"x"}' if name else b'{"object":"list","data":[],"has_more":false}')
            return
        size = int(count) * len(MIB)
        self.send_response(200)
        self.send_header("content-type", "application/octet-stream")
        self.send_header("content-length", str(size))
        self.end_headers()
        try:
            for number in range(int(count)):
                if number and kind == "cut":
                    self.close_connection = True
                    return
                while number and kind == "hang":
                    time.sleep(0.05)
                    self.wfile.write(b"x")
                self.wfile.write(MIB)
        except OSError:
            self.server.echo.gone += 1
            self.close_connection = True

    def _pieces(self) -> Iterator[bytes]:
        if self.headers.get("transfer-encoding") != "chunked":
            left = int(self.headers.get("content-length", 0))
            while left and (piece := self.rfile.read1(min(left, 65536))):
                left -= len(piece)
                yield piece
            return
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _say(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    echo: Echo


@contextlib.contextmanager
def echo() -> Iterator[tuple[str, Echo]]:
    """(its URL up to and with /v1, what it saw); stopped at the end."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.echo = Echo()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", server.echo
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
