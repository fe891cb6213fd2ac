"""Whoever watches delays nobody: scrapes and the page are the parent's, which no request waits for."""

import signal
import socket
import threading

import pytest
import town
from money_kit import REDIS
from wire import Line, ask, bearer, chat, written

LOOKS = ("/metrics", "/admin/overview")


@pytest.fixture(scope="module")
def place(_upstream):
    """A proxy on a store of its own, without budgets; and the store's URL."""
    with town.store() as url, town.proxy(_upstream, REDIS, {"REDIS_URL": url}) as door:
        yield door, url


def test_metrics_are_open_or_not_as_the_file_says(_upstream):
    """`auth.metrics: open` frees the scrape and nothing else; once the file says `bearer`, it needs the admin key again."""
    key = "an-admin-key-of-more-than-32-characters"
    text = f"server: {{admin_key: {key}}}\nauth: {{metrics: open}}\n"
    with town.proxy(_upstream, text) as door:

        def status(path, headers=None):
            return ask(door.admin_port, "GET", path, headers=headers).status

        assert status("/metrics") == 200 and status("/admin/overview") == status("/admin/status") == 401
        (door.folder / "switchyard.yaml").write_text(text.replace("open", "bearer"))
        door.signal(signal.SIGHUP)
        door.wait_for(lambda line: line["event"] == "reloaded")
        assert status("/metrics") == status("/metrics", bearer(key[:-1])) == 401
        assert status("/metrics", bearer(key)) == 200


def test_a_scrape_that_waits_for_redis_delays_no_request(place):
    """While both looks hang on a store that does not answer, requests are answered; only then are the looks."""
    door, url = place
    answers = []

    def look(path):
        answers.append(ask(door.admin_port, "GET", path).status)

    threads = [threading.Thread(target=look, args=(path,)) for path in LOOKS]
    with town.stopped(url):
        for thread in threads:
            thread.start()
        assert {chat(door.port).status for _ in range(20)} == {200}
        assert answers == []
        for thread in threads:
            thread.join()
    assert answers == [200, 200]


def test_a_scrape_that_is_not_read_delays_no_request(place):
    """Twenty scrapers that ask and never read: requests and the next scrape are answered all the same."""
    door, _ = place
    lines = []
    for number in range(20):
        line = Line(door.admin_port)
        line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.send(written("GET", LOOKS[number % 2]))
        lines.append(line)
    assert {chat(door.port).status for _ in range(20)} == {200}
    assert ask(door.admin_port, "GET", "/metrics").status == 200
    for line in lines:
        line.close()
