"""What the admin port tells of this replica: whether it is ready, its status, and what the page shows."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from proxy import __version__
from proxy.api.admin import AdminPort, build_admin
from proxy.api.server import DataServer
from proxy.console.overview import Overview, View
from proxy.console.pages import build_page
from proxy.explain import Explainer
from proxy.process.replica import Replica
from proxy.steering.desk import MigrationDesk


def build_admin_port(replica: Replica, metrics: Callable[[], Awaitable[bytes]]) -> DataServer:
    """The admin port of this replica, page included; `metrics` is the body of /metrics."""
    running, store = replica.running, replica.store
    desk = MigrationDesk(store, time.time)
    app = build_admin(
        AdminPort(
            admin_key=lambda: _admin_key(replica),
            metrics_open=lambda: running.configuration.settings.auth.metrics == "open",
            metrics=metrics,
            ready=lambda: replica.crew.serves,
            status=lambda: _status(replica),
            overview=Overview(lambda: _view(replica), wall_clock=time.time, clock=time.monotonic).body,
            explain=Explainer(lambda: store.configuration, store.standings, store.run_time_now).answer,
            migrations=desk.standing,
            migrate=desk.steer,
        )
    )
    app.include_router(build_page(__version__, lambda: bool(_admin_key(replica))))
    return DataServer(app)


def _admin_key(replica: Replica) -> str:
    key = replica.running.configuration.settings.server.admin_key
    return key.get_secret_value() if key else ""


def _status(replica: Replica) -> dict[str, Any]:
    settings = replica.running.configuration.settings
    return {
        "version": __version__,
        "sandbox": bool(replica.running.sandbox_url),
        "auth": settings.auth.mode,
        "leader": replica.store.is_leader,
        "workers": [{"pid": w.pid, "ready": w.is_ready} for w in replica.crew.workers],
        "providers": list(settings.providers),
        "routes": list(settings.routes),
    }


def _view(replica: Replica) -> View:
    about = {
        "version": __version__,
        "sandbox": bool(replica.running.sandbox_url),
        "workers": [worker.is_ready for worker in replica.crew.workers],
    }
    settings, catalogue = replica.running.configuration.settings, replica.running.configuration.catalogue
    return View(replica.store.pipe, replica.store.book, settings, catalogue, about)
