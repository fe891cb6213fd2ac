"""Every ordered pair of models x every request shape, judged by the strict simulated API, which shares no tables with us.

A cell is `.` served unchanged in meaning, `~` served with every difference listed, `r` goes over /v1/responses, `x` the
target cannot take it and is left out before sending, ` ` the shape is not valid for the model it names. `python -m
tests.models.matrix` prints it.
"""

import json
from collections import Counter

from proxy.models.bridge.request import to_responses
from proxy.models.catalogue import load
from proxy.models.translate import Translation, translate
from proxy.sandbox.catalogue import MODELS as STRICT_MODELS
from proxy.sandbox.chat_rules import read_chat
from proxy.sandbox.refusals import Refusal
from proxy.sandbox.responses_items import read_input
from proxy.sandbox.responses_rules import check_shape, read_responses
from tests.models.shapes import SHAPES

NAMES = (
    *(
        "o4-mini",
        "o3-mini",
        "o3",
        "gpt-4.1",
        "gpt-4.1-mini",
        "gpt-5-mini",
        "gpt-5.2",
        "gpt-5.4-mini",
        "gpt-5.6-luna",
    ),
    *("gpt-5.6-terra", "gpt-6-luna", "gpt-6.1-terra", "gpt-6-astra", "gpt-oss-120b"),
)
# Everything a provider might refuse is refused, including what only some reports say it refuses.
DOUBTS = frozenset({"stop_on_5x", "penalties_on_5x"})
CATALOGUE = load()

# How `x-switchyard-changes` may speak of a field that went up differently from how it came.
SAID_AS = {
    "max_tokens": ("max_tokens->", "cap:"),
    "max_completion_tokens": ("max_tokens->", "cap:"),
    "reasoning_effort": ("reasoning",),
}


_DEFAULTS = {"n": 1}


def strictly(body: dict, model: str):
    """What the strict API makes of a body; raises Refusal."""
    return read_chat(body, STRICT_MODELS[model], DOUBTS)


def strictly_bridged(body: dict, model: str):
    """What the strict API makes of a body carried over /v1/responses; raises Refusal."""
    return strictly_responses(json.loads(to_responses(body, reasons=True)), model)


def strictly_responses(body: dict, model: str):
    """What the strict API makes of a Responses body; raises Refusal."""
    check_shape(body)
    return read_responses(body, read_input(body["input"]), STRICT_MODELS[model])


def valid(shape: dict, model: str) -> bool:
    """Whether the shape may be sent to the model it names."""
    try:
        strictly({"model": model, **shape}, model)
    except Refusal:
        return False
    return True


def moved(shape: dict, source: str, target: str, **options) -> tuple[dict, Translation]:
    """The body that would be sent, and the translation behind it."""
    body = {"model": source, **shape}
    translation = translate(body, CATALOGUE.get(source), CATALOGUE.get(target), **options)
    sent = {**body, "model": target}
    for name, value in translation.edits.items():
        sent.pop(name, None)
        if value:
            sent[name] = json.loads(value)
    return sent, translation


def unlisted(shape: dict, source: str, target: str, sent: dict, translation: Translation) -> list[str]:
    """Differences between what was asked and what is sent that no change token names."""
    tokens = translation.tokens
    lost = []
    for name in shape.keys() | sent.keys() - {"model"}:
        if shape.get(name, _DEFAULTS.get(name)) != sent.get(name, _DEFAULTS.get(name)):
            starts = SAID_AS.get(name, (f"{name}:",))
            if not any(token.startswith(starts) for token in tokens):
                lost.append(name)
    if shape.get("stop") and not sent.get("stop") and not translation.emulate.stop:
        lost.append("stop is not emulated")
    if translation.endpoint == "responses":
        if (shape.get("n") or 1) != translation.emulate.fan_out:
            lost.append("n is not fanned out")
        if shape.get("store") and "store:dropped" not in tokens:
            lost.append("store")
    else:
        before, after = effort_in_force(shape, source), effort_in_force(sent, target)
        if before != after and not any(token.startswith("reasoning") for token in tokens):
            lost.append(f"effort {before} became {after}")
    return lost


def effort_in_force(body: dict, model: str) -> str:
    """The effort a model works with when it is sent this chat body; "none" for one that does not reason."""
    effort = strictly({**body, "model": model}, model).effort
    return effort if STRICT_MODELS[model].family.reasoning else "none"


def cell(shape: dict, source: str, target: str, effort: str | None = None) -> tuple[str, list[str]]:
    """The cell's letter and what is wrong with it."""
    if not valid(shape, source):
        return " ", []
    sent, translation = moved(shape, source, target, effort=effort)
    if translation.excluded:
        return "x", _wrongly_excluded(shape, translation)
    over = translation.endpoint == "responses"
    try:
        if over:
            strictly_bridged(sent, target)
        else:
            strictly(sent, target)
    except Refusal as refusal:
        return "!", [refusal.message]
    faults = unlisted(shape, source, target, sent, translation)
    return "r" if over else "~" if translation.changes else ".", faults


def _wrongly_excluded(shape: dict, translation: Translation) -> list[str]:
    text = json.dumps(shape)
    grounds = {
        "images": "image_url" in text,
        "logprobs": shape.get("logprobs") is True,
        "custom_tools": '"custom"' in text,
        "tools with reasoning need /v1/responses": "tools" in shape,
    }
    return [] if grounds.get(translation.excluded) else [f"excluded for {translation.excluded}"]


def all_cells(effort: str | None = None):
    """(source, target, shape name, letter, faults) of every ordered pair, a model with itself included. `effort` is
    what a successor chain or a migration would suggest."""
    for source in NAMES:
        for target in NAMES:
            for name, shape in SHAPES.items():
                yield source, target, name, *cell(shape, source, target, effort)


def main() -> None:
    counts: dict[tuple[str, str], Counter] = {}
    for source, target, _name, letter, _faults in all_cells():
        counts.setdefault((source, target), Counter())[letter] += 1
    print(f"{len(SHAPES)} shapes; per pair: unchanged + listed changes + over /v1/responses + left out\n")
    print("| written for \\ served by | " + " | ".join(NAMES) + " |")
    print("|---" * (len(NAMES) + 1) + "|")
    for source in NAMES:
        row = [counts[source, target] for target in NAMES]
        cells = [f"{c['.']}+{c['~']}+{c['r']}+{c['x']}" for c in row]
        print(f"| {source} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
