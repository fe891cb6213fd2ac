"""What the sandbox's tests share: a caller in the same process, a real server in a thread, and well-formed requests."""

import asyncio
import contextlib
import json
import threading
from dataclasses import dataclass
from datetime import date

from proxy.sandbox import SandboxConfig, create_app, serve

NOW = 1_795_000_000.0  # 2026-11-18
KEY = {"authorization": "Bearer sk-test-0000000000000000"}


@dataclass
class Answer:
    status: int
    headers: list
    body: bytes
    writes: list

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]

    @property
    def events(self):
        """JSON of each `data:` line; [DONE] stays a string."""
        lines = [line[6:] for line in self.body.decode().splitlines() if line.startswith("data: ")]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]

    def header(self, name):
        return dict(self.headers).get(name.encode(), b"").decode()


class Caller:
    """Drives the ASGI application without a socket."""

    def __init__(self, **config):
        self.app = create_app(SandboxConfig(**config), lambda: NOW)

    def send(self, method, path, raw=b"", headers=KEY):
        writes, start = [], {}
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }

        async def receive():
            return {"type": "http.request", "body": raw}

        async def send(message):
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                writes.append(message["body"])

        asyncio.run(self.app(scope, receive, send))
        return Answer(start["status"], start["headers"], b"".join(writes), writes)

    def post(self, path, body, headers=KEY):
        return self.send("POST", path, json.dumps(body).encode(), headers)

    def chat(self, model="gpt-4.1-mini", text="hello", **fields):
        return self.post("/v1/chat/completions", chat_body(model, text, **fields))

    def responses(self, model="gpt-5", input="hello", **fields):  # noqa: A002 - the API calls it so
        return self.post("/v1/responses", {"model": model, "input": input, **fields})

    @property
    def last(self):
        return self.app.log.last()


def everything(**config):
    """A caller for whom no model has retired."""
    return Caller(today=date(2026, 9, 30), **config)


def chat_body(model, text="hello", **fields):
    body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
    return {name: value for name, value in body.items() if value is not ...}


def tool(name="get_weather", strict=None, **properties):
    properties = properties or {"city": {"type": "string"}, "days": {"type": "integer"}}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    if strict:
        schema["additionalProperties"] = False
    function = {"name": name, "parameters": schema}
    return {
        "type": "function",
        "function": {**function, "strict": strict} if strict is not None else function,
    }


def flat_tool(name="get_weather", **properties):
    return {"type": "function", **tool(name, **properties)["function"]}


def form(*parts, kind="multipart/form-data; boundary=XYZ"):
    """(name, filename or None, content) parts."""
    out = b""
    for name, filename, content in parts:
        named = f'; filename="{filename}"' if filename else ""
        out += (
            f'--XYZ\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode()
            + content
            + b"\r\n"
        )
    return out + b"--XYZ--\r\n", {**KEY, "content-type": kind}


@dataclass
class Live:
    app: object
    url: str


@contextlib.contextmanager
def running(**config):
    """A sandbox on a free port, served from a thread of its own."""
    settings = SandboxConfig(**config)
    app = create_app(settings, lambda: NOW)
    up, box = threading.Event(), {}

    async def main():
        box["stop"], box["loop"] = asyncio.Event(), asyncio.get_running_loop()

        def ready(url):
            box["url"] = url
            up.set()

        await serve("127.0.0.1", 0, settings, app=app, ready=ready, stop=box["stop"])

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert up.wait(10)
    try:
        yield Live(app, box["url"])
    finally:
        box["loop"].call_soon_threadsafe(box["stop"].set)
        thread.join(10)
        assert not thread.is_alive()
