"""The sandbox as a process: one line with its URL, an answer, and a clean end on SIGTERM."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from proxy.sandbox import SandboxConfig, serve
from proxy.sandbox.server import main
from tests.sandbox.kit import KEY, chat_body, running


def post(url, body):
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {**KEY, "content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def test_the_command_prints_one_line_serves_and_stops():
    """`python -m proxy.sandbox --port 0`, with its options; a hanging call does not hold it."""
    command = [
        sys.executable,
        "-m",
        "proxy.sandbox",
        "--port",
        "0",
        "--time-scale",
        "0",
        "--revive",
        "o4-mini,o1",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        url = next(word for word in line.split() if word.startswith("http"))
        assert url.endswith("/v1")
        assert post(f"{url}/chat/completions", chat_body("o4-mini"))["model"] == "o4-mini-2025-04-16"
        hanging = socket.create_connection(("127.0.0.1", int(url.split(":")[2].split("/")[0])))
        body = json.dumps(chat_body("o1", "[[sandbox:hang]]")).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\napi-key: k\r\ncontent-length: {len(body)}\r\n\r\n"
        hanging.sendall(head.encode() + body)
        deadline = time.monotonic() + 5
        while get(url.replace("/v1", "/sandbox/totals"))["calls"] < 2:
            assert time.monotonic() < deadline
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
    hanging.close()
    assert (process.returncode, out, err) == (0, "", "")


def test_a_cancelled_sandbox_closes_its_port_and_its_connections():
    """As when the process that embeds it shuts down."""

    async def main():
        loop = asyncio.get_running_loop()
        up = loop.create_future()
        task = loop.create_task(serve("127.0.0.1", 0, SandboxConfig(), ready=up.set_result))
        port = int((await up).rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /sandbox/totals HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(reader.read(), 5)
        writer.close()
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)

    asyncio.run(main())


def test_a_taken_port_is_said_in_one_line(capsys):
    """Exit code 1, no traceback."""
    with running() as live, pytest.raises(SystemExit) as ending:
        main(["--port", live.url.rsplit(":", 1)[1]])
    assert ending.value.code == 1
    assert "cannot listen on 127.0.0.1" in capsys.readouterr().err


def test_a_date_can_be_given_on_the_command_line(capsys):
    """And a wrong one is refused by argparse."""
    with pytest.raises(SystemExit):
        main(["--today", "tomorrow"])
    assert "--today" in capsys.readouterr().err
