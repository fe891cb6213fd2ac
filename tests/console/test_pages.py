"""The page on a running proxy: who may read it, what its headers forbid, and what a browser makes of hostile names."""

import hashlib
import http.client
import json

import pytest

from tests import town
from tests.console import browser as chromium

ADMIN_KEY = "an-admin-key-of-more-than-32-characters"
KEY = "sk-shop-<i>"
EVIL = "<img src=x onerror=\"document.title='broken'\">"
CONFIG = f"""
server: {{admin_key: {ADMIN_KEY}}}
providers:
  openai: {{base_url: "${{OPENAI_BASE_URL}}", api_key: "${{OPENAI_API_KEY}}"}}
auth: {{mode: keys}}
keys:
  - name: shop
    hash: "sha256:{hashlib.sha256(KEY.encode()).hexdigest()}"
    trusted_users: true
    budgets: [{{usd: 2, per: day}}]
"""
FILES = ["/", "/page/page.js", "/page/plots.js", "/page/page.css", "/page/icon.svg"]


@pytest.fixture(scope="module")
def shop(_upstream):
    """A proxy with an admin key, after traffic that names its models and users as a script would be written."""
    with town.proxy(_upstream, CONFIG) as door:
        for model in ("auto", "o4-mini", EVIL):
            body = {
                "model": model,
                "messages": [{"role": "user", "content": "Translate: good day"}],
                "user": EVIL,
            }
            answer = town.ask(f"{door.url}/chat/completions", body, key=KEY)
            door.row(answer.headers["x-switchyard-request-id"])
        yield door


def overview(door):
    answer = town.ask(f"{door.admin_url}/admin/overview", key=ADMIN_KEY)
    assert answer.status == 200
    return json.loads(answer.body)


def test_the_files_hold_no_data_and_let_no_foreign_script_in(shop):
    """Without the key the page is a 401 that asks for it; every file forbids inline script, framing and any other address."""
    for path in FILES:
        answer = town.ask(shop.admin_url + path)
        assert answer.status == (401 if path == "/" else 200), path
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'self';") and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy and answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in answer.headers
        assert b"http://" not in answer.body.replace(b"http://www.w3.org/2000/svg", b"")
        assert b"https://" not in answer.body and b"innerHTML" not in answer.body


def test_the_charts_come_from_the_installed_package_and_are_kept(shop):
    """Its address has the version in it, so a browser may keep it for a year."""
    html = town.ask(shop.admin_url + "/").body.decode()
    path = html.partition('<script src="')[2].partition('"')[0]
    library = town.ask(shop.admin_url + path)
    assert library.status == 200 and len(library.body) > 100_000
    assert "immutable" in library.headers["cache-control"]


@pytest.mark.parametrize("key", ["", "wrong", ADMIN_KEY[:-1], KEY])
def test_data_needs_the_admin_key(shop, key):
    """A caller's key is not an operator's."""
    answer = town.ask(f"{shop.admin_url}/admin/overview", key=key)
    assert answer.status == 401 and b"decisions" not in answer.body


def test_the_document_tells_what_happened(shop):
    """Three requests: routed, moved to a successor, and refused for a name that is no model."""
    found = overview(shop)
    assert found["store"] == "up" and found["totals"]["requests"] == 3 and found["totals"]["errors"] == 1
    refused, moved, routed = found["decisions"]
    assert refused["asked"] == EVIL and refused["status"] == 404
    assert (
        moved["asked"] == "o4-mini" and moved["reason"] == "successor" and moved["served"] == "gpt-6.1-terra"
    )
    assert routed["reason"] == "task" and routed["task"] and routed["cost"] > 0
    (budget,) = found["budgets"]
    assert (
        budget["spent"] == found["totals"]["cost"]
        and budget["left"] + budget["spent"] + budget["held"] == 2 * 10**9
    )
    o4 = next(each for each in found["models"] if each["name"] == "o4-mini")
    assert o4["ended"] and o4["callers"] == [{"key": "shop", "requests": 1}]


@pytest.mark.parametrize("path", ["/", "/admin/overview", "/admin/status", "/page/page.js"])
def test_nothing_can_be_posted_to_it(shop, path):
    """A form on another site finds nothing that takes it, key or no key."""
    answer = town.ask(shop.admin_url + path, {"spend": "everything"}, key=ADMIN_KEY)
    assert answer.status == 405


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "same-origin", 200),
        ("host", "shop.example:4001", 403),
        ("host", "localhost:4001", 200),
        ("host", "[::1]:4001", 200),
        ("host", "[", 400),
        ("host", "1.2.3.4.example", 403),
    ],
)
def test_without_a_key_only_its_own_page_may_ask(door, header, value, status):
    """On loopback no key is needed, so what another site has a browser ask, or rebinds its name for, is refused."""
    line = http.client.HTTPConnection("127.0.0.1", door.admin_port, timeout=20)
    line.putrequest("GET", "/admin/overview", skip_host=header == "host")
    line.putheader(header, value)
    line.endheaders()
    answer = line.getresponse()
    assert answer.status == status
    line.close()


@pytest.mark.skipif(chromium.PROGRAM is None, reason="needs Chromium (Debian: chromium)")
def test_a_browser_shows_it_and_runs_nothing_it_was_sent(shop):
    """The key is typed once; hostile names stand there as text; nothing is asked of another host; the policy is never hit."""
    with chromium.browser() as page:
        page.look(width=1280)
        page.go(shop.admin_url + "/")
        page.until("!document.getElementById('door').hidden")
        assert page.value("document.activeElement.id") == "key"
        page.type("not the key")
        page.press("Enter", 13)
        page.until("!document.getElementById('wrong').hidden")
        page.type(ADMIN_KEY)
        page.press("Enter", 13)
        page.until("document.querySelectorAll('#decision-list tbody tr').length >= 3")
        assert EVIL in page.value("document.getElementById('decision-list').textContent")
        assert page.value("document.querySelectorAll('main img').length") == 0
        assert page.value("document.title") == "Switchyard" and page.value("document.cookie") == ""
        assert page.value("document.querySelectorAll('#chart-requests canvas').length") > 0
        assert page.value("document.querySelectorAll('#budget-list .bar').length") == 1
        assert "No migrations" in page.value("document.getElementById('migration-list').textContent")
        assert all(url.startswith(shop.admin_url) for url in page.asked_for)
        assert [each for each in page.said if "401" not in each] == []


@pytest.mark.skipif(chromium.PROGRAM is None, reason="needs Chromium (Debian: chromium)")
def test_it_fits_a_phone_and_is_worked_by_keyboard(shop):
    """At 390 points nothing sticks out sideways, dark or light; tab reaches the links and the choices, and enter chooses."""
    with chromium.browser() as page:
        for width, dark in ((390, False), (390, True), (1280, True)):
            page.look(width=width, dark=dark)
            page.go(shop.admin_url + "/")
            page.until("!document.getElementById('door').hidden || !document.getElementById('main').hidden")
            if page.value("!document.getElementById('door').hidden"):
                page.type(ADMIN_KEY)
                page.press("Enter", 13)
            page.until(
                "!document.getElementById('main').hidden && document.querySelector('#decision-list td') !== null"
            )
            assert page.value("document.documentElement.scrollWidth") <= width
            lines = "[...document.querySelectorAll('.day')].map((each) => each.getClientRects().length)"
            assert set(page.value(lines)) == {1}, "a day breaks inside"
        reached = set()
        page.value("document.activeElement.blur()")
        for _ in range(12):
            page.press("Tab", 9)
            reached.add(page.value("document.activeElement.id || document.activeElement.textContent"))
            if page.value("document.activeElement.id") == "split-task":
                page.press("Enter", 13)
        assert {"Traffic", "Decisions", "split-model", "split-task"} <= reached
        assert page.value("document.getElementById('split-task').getAttribute('aria-pressed')") == "true"
        assert "by task" in page.value("document.querySelector('#table-requests caption').textContent")


@pytest.mark.skipif(chromium.PROGRAM is None, reason="needs Chromium (Debian: chromium)")
def test_a_model_that_is_left_before_its_end_has_not_ended(shop):
    """Requests leave some hours before; the day that is shown is the true one, as `switchyard models` has it."""
    with chromium.browser() as page:
        page.go(shop.admin_url + "/")

        def told(left, ended, successor):
            each = {
                "days_left": left,
                "ended": ended,
                "successor": successor,
                "ends_at": 1796083200,
                "requests": 1,
            }
            return page.value(f"ending({json.dumps(each)}).textContent")

        assert told(2, False, None) == "2 days, 2026-12-01"
        assert told(1, True, "heir") == "1 day, 2026-12-01its successor answers already"
        assert told(1, True, None) == "1 day, 2026-12-01refused already"
        assert told(0, True, "heir") == "ended 2026-12-01"


@pytest.mark.skipif(chromium.PROGRAM is None, reason="needs Chromium (Debian: chromium)")
def test_no_chart_ends_where_its_data_does(shop):
    """The axis ends at the first tick above everything drawn; requests are counted in whole steps."""
    with chromium.browser() as page:
        page.go(shop.admin_url + "/")
        for most, least in ((1, 1), (10, 1), (0.3, 0), (99.9, 0), (100, 0), (1234, 1), (7e8, 1), (3, 1)):
            ticks = page.value(f"plots.ticks({most}, {least})")
            assert ticks[0] == 0 and ticks[-2] <= most * 1.001 < ticks[-1] * 1.001
            assert ticks[-1] > most and 3 <= len(ticks) <= 8 and ticks[1] >= least


@pytest.mark.skipif(chromium.PROGRAM is None, reason="needs Chromium (Debian: chromium)")
def test_a_migration_tells_what_comes_next_and_whose_share_it_is(shop):
    """What somebody looks for before they promote: the next stage, what it waits for, and who moved it last and why."""
    each = {
        "name": "leave", "status": "running", "percent": 5, "stages": [5, 100], "since": 1, "next": 100, "auto": False,
        "not_before": 2, "sticky": "key", "changed": 1, "who": "me@desk", "why": "rehearsed", "sides": [], "guards": [],
    }  # fmt: skip
    with chromium.browser() as page:
        page.go(shop.admin_url + "/")

        def told(**changes):
            parts = (
                f"showMigration({json.dumps({**each, **changes})}).map((part) => part.textContent).join(' ')"
            )
            return page.value(parts)

        assert "5 % of keys on the new model" in told()
        assert "Next: 100 %, by hand. Last moved by me@desk" in told() and "rehearsed" in told()
        assert "Next: 100 %, after resume." in told(status="paused")
        assert "Next: finish, not before " in told(next=None, auto=True)
        assert "Next" not in told(status="waiting", not_before=None)
