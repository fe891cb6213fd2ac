"""What the admin port tells of this replica: health, status, the page's data, and what only the parent knows for a scrape."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from proxy import __version__
from proxy.api.admin import AdminPort, build_admin
from proxy.api.server import DataServer
from proxy.console.overview import Overview, View
from proxy.console.pages import build_page
from proxy.explain import Explainer
from proxy.metrics.totals import Standing
from proxy.migration.roads import state_for
from proxy.migration.state import percent
from proxy.process.crew import Crew
from proxy.process.keeper import StoreKeeper
from proxy.process.lastdays import LastDays
from proxy.process.order import Running
from proxy.steering.desk import MigrationDesk


@dataclass(frozen=True, slots=True)
class Replica:
    """What the parent looks after, seen from outside."""

    running: Running
    store: StoreKeeper
    crew: Crew
    last_days: LastDays

    def admin_key(self) -> str:
        """What the admin port asks for; "" for nothing."""
        key = self.running.configuration.settings.server.admin_key
        return key.get_secret_value() if key else ""

    def view(self) -> View:
        """What the page shows."""
        about = {
            "version": __version__,
            "sandbox": bool(self.running.sandbox_url),
            "workers": [worker.is_ready for worker in self.crew.workers],
        }
        settings, catalogue = self.running.configuration.settings, self.running.configuration.catalogue
        return View(self.store.pipe, self.store.book, settings, catalogue, about)

    def status(self) -> dict[str, Any]:
        """The answer of /admin/status."""
        settings = self.running.configuration.settings
        return {
            "version": __version__,
            "sandbox": bool(self.running.sandbox_url),
            "auth": settings.auth.mode,
            "leader": self.store.is_leader,
            "workers": [{"pid": w.pid, "ready": w.is_ready} for w in self.crew.workers],
            "providers": list(settings.providers),
            "routes": list(settings.routes),
        }

    def standing(self) -> Standing:
        """What no worker counts and no ledger holds."""
        return Standing(
            days_left=self.last_days.days_left(),
            stages={
                each.name: percent(state_for(each, self.store.states))
                for each in self.running.configuration.settings.migrations
            },
            workers=self.crew.ready,
        )


def build_admin_port(replica: Replica, metrics: Callable[[], Awaitable[bytes]]) -> DataServer:
    """The admin port of this replica, page included; `metrics` is the body of /metrics."""
    running, store = replica.running, replica.store
    desk = MigrationDesk(store, time.time)
    app = build_admin(
        AdminPort(
            admin_key=replica.admin_key,
            metrics_open=lambda: running.configuration.settings.auth.metrics == "open",
            metrics=metrics,
            ready=lambda: replica.crew.serves,
            status=replica.status,
            overview=Overview(replica.view, wall_clock=time.time, clock=time.monotonic).body,
            explain=Explainer(lambda: running.configuration, store.standings, lambda: store.states).answer,
            migrations=desk.standing,
            migrate=desk.steer,
        )
    )
    app.include_router(build_page(__version__, lambda: bool(replica.admin_key())))
    return DataServer(app)
