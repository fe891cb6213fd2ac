"""What the parent looks after, in one record: for whoever tells of it, and for whoever changes it."""

from dataclasses import dataclass

from proxy.metrics.totals import Standing
from proxy.migration.roads import state_for
from proxy.migration.state import percent
from proxy.process.crew import Crew
from proxy.process.keeper import StoreKeeper
from proxy.process.lastdays import LastDays
from proxy.process.order import Running


@dataclass(frozen=True, slots=True)
class Replica:
    """What runs, where it counts, who serves it, and which of its models end."""

    running: Running
    store: StoreKeeper
    crew: Crew
    last_days: LastDays

    def standing(self) -> Standing:
        """What no worker counts and no ledger holds, for a scrape."""
        return Standing(
            days_left=self.last_days.days_left(),
            stages={
                each.name: percent(state_for(each, self.store.states))
                for each in self.running.configuration.settings.migrations
            },
            workers=self.crew.ready,
        )
