"""`switchyard models`: every model of the catalogue with its price, its end and who stands in for it. Asks nobody."""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from proxy.app.configuration import Configuration
from proxy.commands.amounts import counted, day, dollars, exact
from proxy.commands.joining import configured as read
from proxy.commands.lessons import forget, learned
from proxy.commands.near import meant
from proxy.commands.output import as_json, remark, say, table
from proxy.models.lifecycle import days_left, is_retired
from proxy.models.lifecycle import warning as warning_of
from proxy.models.rows import ModelRow
from proxy.models.succession import Succession, successors_of
from proxy.nouns import PriceRow


@dataclass(frozen=True, slots=True)
class Outlook:
    """A model on one day: its price, days left (None: no end is known), its chain of successors and the price of the first.
    `name` is the catalogue's, or what was asked for where that is somebody's fine-tuned version. `retired`: nobody is sent
    there any more, which begins some hours before its end."""

    name: str
    row: ModelRow
    price: PriceRow | None
    left: int | None
    chain: Succession
    heir_price: PriceRow | None
    retired: bool

    @property
    def warning(self) -> str:
        """What an operator should do something about; "" for nothing."""
        limit = warning_of(self.left)
        if limit is None:
            return ""
        nobody = self.chain.first is None
        if limit == 0:
            return f"ended; {self.chain.why}" if nobody else "ended; its successor answers"
        meanwhile = "; its successor answers already" if self.retired else ""
        return f"ends within {counted(limit, 'day')}" + (f"; {self.chain.why}" if nobody else meanwhile)


def outlook(configuration: Configuration, asked: str, now: float) -> Outlook | None:
    """What becomes of a model, by the shipped dates or the operator's own; None when nobody knows it."""
    row = configuration.catalogue.resolve(asked)
    if row is None:
        return None
    name = asked if row.fine_tuned else row.name
    lifecycle = configuration.settings.lifecycle

    def ended(other: ModelRow) -> bool:
        return is_retired(
            other, "", now, margin_hours=lifecycle.margin_hours, published={}, kind=other.provider_kind
        )

    chain = successors_of(configuration.catalogue, name, now, ended, allow_dearer=lifecycle.allow_dearer)
    heir = configuration.catalogue.get(chain.first.model) if chain.first is not None else None
    return Outlook(
        name,
        row,
        row.price_at(now),
        days_left(row.shutdown, now),
        chain,
        heir.price_at(now) if heir is not None else None,
        ended(row),
    )


def add_parser(commands: Any, configured: argparse.ArgumentParser) -> None:
    """`models`."""
    models = commands.add_parser(
        "models",
        parents=[configured],
        help="prices, windows, shutdown dates and successors",
        description="Prices in US dollars per million tokens. Ratio is the successor's price next to the model's own (3 parts input, "
        "1 part output). Needs no running proxy, but for --learned and --forget: what providers were found to refuse against "
        "what is known of their models is mended, listed in x-switchyard-changes and remembered for a day.",
    )
    models.add_argument("names", nargs="*", metavar="MODEL", help="only these")
    models.add_argument("--ending", action="store_true", help="only those with a known end, soonest first")
    models.add_argument("--learned", action="store_true", help="what providers turned out to refuse")
    models.add_argument(
        "--forget", action="store_true", help="forget that, on every worker within two seconds"
    )
    models.add_argument(
        "--parameter", default="", metavar="NAME", help="with --learned or --forget: only this parameter"
    )
    models.add_argument("--json", action="store_true", help="the same as JSON, for programs")
    models.set_defaults(run=_models)


def _models(given: argparse.Namespace, words: Sequence[str]) -> int:
    if given.parameter and not (given.learned or given.forget):
        remark("switchyard: --parameter goes with --learned or --forget")
        return 1
    configuration, now = read(given), time.time()
    looks = {
        name: outlook(configuration, name, now) for name in given.names or configuration.catalogue.names()
    }
    if unknown := [name for name, each in looks.items() if each is None]:
        names = configuration.catalogue.names()
        for name in unknown:
            remark(f"switchyard: no model is called {name}{meant(name, names)}")
        return 1
    if given.forget:
        return forget(given, words)
    if given.learned:
        return learned(given, words)
    shown = [each for each in looks.values() if each is not None]
    if given.ending:
        shown = sorted([o for o in shown if o.row.shutdown is not None], key=lambda o: o.row.shutdown or 0)
    if given.json:
        say(as_json([_as_json(each) for each in shown]))
        return 0
    heads = (
        "model",
        ">input",
        ">cached",
        ">output",
        ">window",
        "ends",
        ">days",
        "successor",
        ">ratio",
        "warning",
    )
    say(table(heads, [_row(each) for each in shown]))
    return 0


def _row(each: Outlook) -> tuple[str, ...]:
    price, step = each.price, each.chain.first
    ends = each.row.shutdown is not None
    return (
        each.name,
        dollars(price.input) if price else "-",
        dollars(price.cached_input) if price else "-",
        dollars(price.output) if price else "-",
        f"{each.row.context:,}" if each.row.context else "-",
        day(each.row.shutdown) or "-",
        "-" if each.left is None else str(each.left),
        successor(each) if ends else "-",
        f"{step.ratio:.2f}" if ends and step is not None and step.ratio is not None else "-",
        each.warning or "-",
    )


def successor(each: Outlook) -> str:
    """The model that stands in, with the effort it is asked for."""
    step = each.chain.first
    return "-" if step is None else f"{step.model}@{step.effort}" if step.effort else step.model


def _as_json(each: Outlook) -> dict[str, Any]:
    price, step = each.price, each.chain.first
    prices = price and {
        "input": exact(price.input),
        "cached_input": exact(price.cached_input),
        "output": exact(price.output),
    }
    return {
        "model": each.name,
        "family": each.row.family,
        "usd_per_m": prices,
        "unpriced": each.row.unpriced or None,
        "context": each.row.context or None,
        "max_output": each.row.max_output or None,
        "shutdown": day(each.row.shutdown) or None,
        "days_left": each.left,
        "successor": step and step.model,
        "successor_effort": (step.effort or None) if step else None,
        "price_ratio": step.ratio if step else None,
        "skipped": [{"model": s.model, "why": s.skipped} for s in each.chain.skipped],
        "warning": each.warning or None,
        "source": each.row.source,
    }
