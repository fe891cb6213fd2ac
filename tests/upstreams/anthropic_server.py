"""A simulated Anthropic: `POST /v1/messages`, whole and streamed, with tools, images, cache tokens and its errors.

It speaks the protocol strictly enough to prove an adapter wrong: what Anthropic would refuse is refused, and every call
is kept in `calls`. The last user text may order what happens: `[[status:429]]`, `[[hang]]`, `[[hang_mid]]`, `[[cut]]`,
`[[error_mid]]`, `[[think]]`.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "sk-ant-canary-77c0ffee"
USAGE = {
    "input_tokens": 11,
    "cache_creation_input_tokens": 40,
    "cache_read_input_tokens": 300,
    "output_tokens": 9,
}
ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
WORDS = ("The ", "answer ", "is ", "42.")


@dataclass
class Anthropic:
    """`calls` are the bodies as they came, `headers` those of each, `closed` counts clients that left early."""

    url: str = ""
    calls: list[dict] = field(default_factory=list)
    headers: list[dict] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    closed: int = 0
    news: threading.Condition = field(default_factory=threading.Condition)

    def forget(self) -> None:
        self.calls.clear()
        self.headers.clear()
        self.paths.clear()
        self.closed = 0

    def left(self) -> None:
        with self.news:
            self.closed += 1
            self.news.notify_all()

    def wait_closed(self, count: int = 1, timeout_s: float = 15) -> bool:
        with self.news:
            return self.news.wait_for(lambda: self.closed >= count, timeout_s)

    def wait_called(self, count: int = 1, timeout_s: float = 15) -> bool:
        with self.news:
            return self.news.wait_for(lambda: len(self.calls) >= count, timeout_s)


@contextmanager
def anthropic() -> Iterator[Anthropic]:
    """A server of its own on a free port."""
    state = Anthropic()

    class Handler(_Handler):
        town = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    town: Anthropic

    def log_message(self, *_):
        """Silence."""

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["content-length"]))
        body = json.loads(raw)
        with self.town.news:
            self.town.calls.append(body)
            self.town.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.town.paths.append(self.path)
            self.town.news.notify_all()
        fault = self._refused(body)
        if fault is not None:
            self._error(*fault)
            return
        orders = _orders(body)
        if "hang" in orders:
            self._wait_for_leave()
        elif "think" in orders and body.get("thinking", {}).get("type") not in ("enabled", "adaptive"):
            self._error(400, "thinking was asked for and not sent")
        elif body.get("stream"):
            self._stream(body, orders)
        else:
            self._whole(body)

    def _refused(self, body):
        if self.path != "/v1/messages":
            return 404, f"no such path {self.path}"
        if self.headers["x-api-key"] != KEY:
            return 401, f"invalid x-api-key {self.headers['x-api-key']}"
        if not self.headers["anthropic-version"]:
            return 400, "anthropic-version: header is required"
        for order in _orders(body):
            if order.startswith("status:"):
                status = int(order.removeprefix("status:"))
                return status, f"{ERRORS[status]} as ordered"
        if not isinstance(body.get("max_tokens"), int):
            return 400, "max_tokens: Field required"
        known = {"model", "max_tokens", "messages", "system", "tools", "tool_choice", "stream", "temperature", "top_p",
                 "stop_sequences", "metadata", "thinking", "output_config", "output_format", "top_k"}  # fmt: skip
        unknown = sorted(body.keys() - known)
        if unknown:
            return 400, f"{unknown[0]}: Extra inputs are not permitted"
        if body["model"] == "claude-gone":
            return 404, "model: claude-gone"
        for message in body["messages"]:
            if message["role"] not in ("user", "assistant"):
                return 400, f"messages: unexpected role {message['role']}"
        return None

    def _error(self, status, message):
        error = {
            "type": "error",
            "error": {"type": ERRORS[status], "message": message},
            "request_id": "req_1",
        }
        headers = {"retry-after": "7"} if status == 429 else {}
        self._answer(status, error, headers)

    def _answer(self, status, value, headers=None):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("request-id", "req_simulated")
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _whole(self, body):
        blocks, stop = _content(body)
        self._answer(200, {**_head(body), "content": blocks, "stop_reason": stop, "usage": USAGE})

    def _stream(self, body, orders):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        blocks, stop = _content(body)
        try:
            self._event({"type": "message_start", "message": {**_head(body), "content": [], "stop_reason": None,
                                                              "usage": {**USAGE, "output_tokens": 1}}})  # fmt: skip
            self._event({"type": "ping"})
            for index, block in enumerate(blocks):
                self._block(index, block, orders)
            self._event({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None},
                         "usage": {"output_tokens": USAGE["output_tokens"]}})  # fmt: skip
            self._event({"type": "message_stop"})
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.town.left()
            self.close_connection = True

    def _block(self, index, block, orders):
        if block["type"] == "tool_use":
            start, kind = {**block, "input": {}}, "input_json_delta"
            pieces = [("partial_json", piece) for piece in _halves(json.dumps(block["input"]))]
        else:
            start, kind = {"type": "text", "text": ""}, "text_delta"
            pieces = [("text", word) for word in WORDS]
        self._event({"type": "content_block_start", "index": index, "content_block": start})
        for number, (name, piece) in enumerate(pieces):
            self._event({"type": "content_block_delta", "index": index, "delta": {"type": kind, name: piece}})
            if number == 1:
                self._misbehave(orders)
        self._event({"type": "content_block_stop", "index": index})

    def _misbehave(self, orders):
        if "hang_mid" in orders:
            self._wait_for_leave()
            raise BrokenPipeError
        if "cut" in orders:
            self.connection.close()
            raise ConnectionResetError
        if "error_mid" in orders:
            self._event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
            self.wfile.write(b"0\r\n\r\n")
            raise BrokenPipeError

    def _event(self, event):
        data = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def _wait_for_leave(self):
        """Until the client closes its connection."""
        try:
            while self.connection.recv(1024):
                pass
        except OSError:
            pass
        self.town.left()
        self.close_connection = True


def _head(body):
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "stop_sequence": None,
    }


def _content(body):
    if body.get("tools") and body.get("tool_choice", {}).get("type") != "none":
        name = body["tools"][0]["name"]
        return [{"type": "tool_use", "id": "toolu_01", "name": name, "input": {"city": "Oslo"}}], "tool_use"
    return [{"type": "text", "text": "".join(WORDS)}], "end_turn"


def _halves(text):
    return text[:4], text[4:]


def _orders(body):
    texts = []
    for message in body["messages"]:
        content = message["content"]
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        texts += [part.get("text", "") for part in parts if part["type"] == "text"]
    return re.findall(r"\[\[([a-z_]+(?::\d+)?)\]\]", texts[-1] if texts else "")
