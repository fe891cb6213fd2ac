"""What a reload cannot change."""

from proxy.settings import load, needs_restart
from proxy.settings.restart import AT_START

CHANGED = "server: {host: localhost, port: 1, admin_host: localhost, admin_port: 2, workers: 3}\nredis: {url: redis://h, embedded: single-node}"


def test_only_what_was_chosen_at_start_needs_one():
    """Routes and budgets change at once; sockets, processes and the store do not."""
    old = load(text="", env={})
    assert (
        needs_restart(old, load(text="routes: {auto: {default: [a]}}\nserver: {max_json_mb: 1}", env={}))
        == ()
    )
    assert needs_restart(old, load(text=CHANGED, env={})) == AT_START
    assert needs_restart(old, load(text="server: {port: 4100}", env={})) == ("server.port",)
