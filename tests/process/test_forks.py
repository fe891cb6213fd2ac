"""Workers forked before there is a loop: what they are given reaches them, and each sees its own parent's end go."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

PROGRAM = """
import asyncio, socket, sys
from proxy.process.forks import equipment, fork

def work(wire):
    equipped = equipment(wire)
    if equipped is None:
        return 3
    listener, metrics = equipped
    with listener.accept()[0] as caller:
        caller.sendall(metrics.encode())
    return 4

async def main(forks):
    first, second = forks
    first.wire.close()
    print(await asyncio.wait_for(first.wait(), 20))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        second.equip(listener, "a folder")
        with socket.create_connection(listener.getsockname()) as caller:
            print(caller.makefile().read())
        print(await asyncio.wait_for(second.wait(), 20))
        second.equip(listener, "nobody is there any more")

asyncio.run(main(fork(2, work)))
"""


def test_a_fork_is_equipped_or_ends_with_its_own_wire():
    """The first ends as soon as its wire is closed, though the second was forked while it was open; the second serves
    on the socket it is given; both exit statuses are told, and equipping one that is gone is no error."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("3\na folder\n4\n", "", 0)
