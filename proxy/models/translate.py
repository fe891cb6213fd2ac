"""A request written for one model, made right for another: edits to top-level fields, and a list of every difference.

One walker over the tables: effort and endpoint first (reasoning.py), then a rule per field that was sent
(parameters.py), then the cap (caps.py), then what the messages contain (content.py). Values nobody edits keep their
bytes, because only edits are returned. A request for the model it names is never touched: what is wrong with it, its
provider says in its own words.

`source` is the model the request was written for: the one the caller named. None when the name was a route or an alias,
which no caller can write for; then both cap spellings and every parameter are taken as meant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from proxy.models import caps, content, reasoning
from proxy.models.draft import NO_EMULATION, REMOVE, Change, Draft, Emulation, Wire
from proxy.models.families import FAMILIES
from proxy.models.parameters import CHAT_RULES, RESPONSES_RULES, no_counterpart
from proxy.models.rows import ModelRow
from proxy.models.validity import refuse_faults

__all__ = ["REMOVE", "UNCHANGED", "Change", "Emulation", "Translation", "translate"]

OnLoss = Literal["translate", "reject"]
_RULES = {"chat": CHAT_RULES, "responses": RESPONSES_RULES}


@dataclass(frozen=True, slots=True)
class Translation:
    """`edits` are JSON bytes by top-level field (REMOVE takes one out), ready for `parse.splice`.

    `excluded` says why this target cannot take the request ("" when it can). `endpoint` is where the edited body goes:
    "responses" for a chat request means through the bridge. `effort` is the one in force upstream: "none" for a model
    that does not reason with this request, "" when the request was not looked at because nothing had to change.
    """

    changes: tuple[Change, ...] = ()
    edits: Mapping[str, bytes] = field(default_factory=dict)
    emulate: Emulation = NO_EMULATION
    excluded: str = ""
    endpoint: Wire = "chat"
    effort: str = ""

    @property
    def tokens(self) -> tuple[str, ...]:
        """What goes into `x-switchyard-changes` and the ledger."""
        return tuple(change.token for change in self.changes)


UNCHANGED: Mapping[Wire, Translation] = {
    "chat": Translation(),
    "responses": Translation(endpoint="responses"),
}


def translate(
    fields: Mapping[str, Any],
    source: ModelRow | None,
    target: ModelRow,
    effort: str | None = None,
    on_loss: OnLoss = "translate",
    *,
    decides: bool = False,
    wire: Wire = "chat",
    last_resort: bool = False,
) -> Translation:
    """What must change so that `target` takes a request written for `source`.

    `fields` are the decoded top-level fields, `wire` the endpoint the caller used. `effort` is the successor's or
    migration target's, applied when the caller sent none; with `decides` (a route's, or `model@effort`) it always is.
    `last_resort`: no candidate is left that has logprobs, so they are dropped instead of excluding this one.

    Raises BadRequest for a value that no model takes: dropped or emulated, it would never meet a provider who says so.
    """
    if source is not None and source.name == target.name and not (effort and decides):
        return UNCHANGED[wire]
    refuse_faults(fields)
    if not FAMILIES[target.family].chat:
        return Translation(excluded="not a chat model", endpoint=wire)
    if wire == "responses" and "responses" not in target.endpoints:
        return Translation(excluded="not served on /v1/responses", endpoint=wire)
    draft = Draft(fields, source, target, wire, last_resort)
    reasoning.settle(draft, effort or "", decides=decides)
    rules, bridged = _RULES[wire], draft.endpoint != wire
    for name in fields:
        rule = rules.get(name, no_counterpart if bridged else None)
        if rule is not None:
            value = fields.get(name)
            if value is not None:
                rule(draft, name, value)
    caps.apply(draft)
    content.check(draft)
    return _finished(draft, on_loss)


def _finished(draft: Draft, on_loss: OnLoss) -> Translation:
    if on_loss == "reject":
        lost = next((change.token for change in draft.changes if change.loss), "")
        if lost:
            draft.exclude(f"on_loss: {lost}")
    return Translation(
        changes=tuple(draft.changes),
        edits=draft.edits,
        emulate=Emulation(draft.stop, draft.fan_out) if draft.stop or draft.fan_out > 1 else NO_EMULATION,
        excluded=draft.excluded,
        endpoint=draft.endpoint,
        effort=draft.effort,
    )
