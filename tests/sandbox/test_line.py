"""A line without a server behind it: waiting, and noticing that the client has left."""

import asyncio

from proxy.sandbox.line import Line


def line(*events, scope=None):
    waiting = list(events)

    async def receive():
        if not waiting:
            await asyncio.Event().wait()
        return {"type": waiting.pop(0)}

    async def send(_message):
        return

    return Line(scope or {}, receive, send)


def run(work):
    return asyncio.run(asyncio.wait_for(work, 5))


def test_waiting_ends_early_when_the_client_leaves():
    """However long the wait was meant to be; further body events are no farewell."""

    async def main():
        made = line("http.request", "http.disconnect")
        left = await made.wait(None)
        await made.close()
        return left, made.gone

    assert run(main()) == (True, True)


def test_waiting_runs_its_time_while_the_client_stays():
    """And costs nothing when there is nothing to wait for."""

    async def main():
        made = line()
        short, none = await made.wait(0.01), await made.wait(0)
        await made.close()
        return short, none

    assert run(main()) == (False, False)


def test_without_a_transport_ending_is_left_to_the_server():
    """In-process callers have no connection to reset."""

    async def main():
        made = line()
        await made.end(reset=True)
        made.hang_up()
        await made.close()
        return made.gone

    assert run(main()) is False


class Connection:
    def __init__(self):
        self.closed = ""

    def is_closing(self):
        return bool(self.closed)

    def abort(self):
        self.closed = "aborted"

    def close(self):
        self.closed = "closed"

    def get_extra_info(self, _name):
        return None


def test_a_transport_is_aborted_or_closed():
    """Also when it has no socket to set options on."""

    async def main(reset):
        connection = Connection()
        made = line("http.disconnect", scope={"sandbox.transport": connection})
        await made.end(reset=reset)
        await made.close()
        assert made.gone
        return connection.closed

    assert [run(main(reset)) for reset in (True, False)] == ["aborted", "closed"]
