"""What money and calls are counted in: budgets and limits from the settings, and the ledger they stand in."""

import time

from proxy.budgets.scopes import Book, Budget, Limits, budget
from proxy.ids import RandomIds
from proxy.settings import Settings
from proxy.store.accounts import RunTime
from proxy.store.ledger import Ledger, LedgerOptions


def build_book(settings: Settings, run_time: RunTime) -> Book:
    """Every budget and limit of the configuration, with the limits that operators have set since."""
    budgets = [budget(each, each.name, each.scope, each.of or "") for each in settings.all_budgets()]
    limits = {
        key.name: Limits(key.limits.rpm, key.limits.tpm, key.limits.concurrent) for key in settings.keys
    }
    budgets += [
        Budget(f"shadow.{each.name}", "key", each.shadow.usd_nano, each.shadow.per, of=f"shadow/{each.name}")
        for each in settings.migrations
        if each.shadow is not None
    ]
    return Book(budgets, limits).with_limits(run_time.limits_nano)


def build_ledger(redis_url: str) -> Ledger | None:
    """The worker's ledger; None where there is no Redis."""
    if not redis_url:
        return None
    return Ledger(redis_url, LedgerOptions(), wall_clock=time.time, new_id=RandomIds(8))
