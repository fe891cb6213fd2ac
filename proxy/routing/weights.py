"""The weights file: what each fact says for and against each task, and how to turn the sums into probabilities.

One line of JSON (format, version, digest of the lexicon, scale, bias, calibration), then zlib: the names of the facts, a NUL,
and two bytes per fact and task. In memory a fact's thirteen numbers are the lanes of one integer, so a request is scored by
adding integers: no numpy, no multiplication. A lane is wide enough for 65,000 facts.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from proxy.routing.tasks import TASKS

FORMAT = "switchyard-task-weights"
VERSION = 1
LANE_BITS = 32
VALUE_BYTES = 2
OFFSET = 1 << 15
_lanes = struct.Struct(f"<{len(TASKS)}I")


Weight = tuple[int, int]
"""The packed sum of some facts, and how many of them were in the table."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Out-of-fold fits: logits are divided by `temperature`; P(reasoning) = sigmoid(slope * logit + shift)."""

    temperature: float = 1.0
    slope: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True, slots=True)
class Weights:
    """`table` maps a fact to its packed weights, `bias` is in logits, `scale` is the logit one unit of a lane is worth."""

    table: Mapping[str, int]
    bias: tuple[float, ...]
    scale: float
    calibration: Calibration

    def weigh(self, facts: Iterable[str]) -> Weight:
        """What these facts say together; weights can be added up. Facts that are not in the table say nothing."""
        found = [packed for packed in map(self.table.get, facts) if packed is not None]
        return sum(found), len(found)

    def logits(self, weight: Weight) -> list[float]:
        """One score per task, in the order of `TASKS`."""
        packed, found = weight
        offset, scale = OFFSET * found, self.scale
        return [bias + scale * (lane - offset) for lane, bias in zip(_read(packed), self.bias, strict=True)]

    def says(self, fact: str) -> tuple[float, ...] | None:
        """What one fact adds to each task's logit; None when it is unknown."""
        packed = self.table.get(fact)
        if packed is None:
            return None
        return tuple([self.scale * (lane - OFFSET) for lane in _read(packed)])


def _read(packed: int) -> tuple[int, ...]:
    """The lanes of an integer."""
    return _lanes.unpack(packed.to_bytes(_lanes.size, "little"))


def digest(text: str) -> str:
    """Names a lexicon: weights only make sense with the word classes they were trained on."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def dump(
    names: Sequence[str],
    rows: Sequence[bytes],
    bias: Sequence[float],
    scale: float,
    *,
    fit: Calibration,
    lexicon: str,
) -> bytes:
    """The file's bytes; `rows` holds `VALUE_BYTES` big-endian bytes per task for each name, offset by `OFFSET`. Same input, same bytes."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "lexicon": digest(lexicon),
        "tasks": list(TASKS),
        "scale": round(scale, 6),
        "bias": [round(b, 4) for b in bias],
        "temperature": round(fit.temperature, 4),
        "side": [round(fit.slope, 4), round(fit.shift, 4)],
    }
    body = "\n".join(names).encode() + b"\0" + b"".join(rows)
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + zlib.compress(body, 9)


def parse(data: bytes, lexicon: str) -> Weights:
    """Reads what `dump` wrote. Raises ValueError, naming both sides, for another version, lexicon or list of tasks."""
    line, _, body = data.partition(b"\n")
    try:
        head = json.loads(line)
        names, _, rows = (
            zlib.decompress(body).partition(b"\0") if head["version"] == VERSION else (b"", b"", b"")
        )
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise ValueError(f"task weights are not a {FORMAT} file: {error}") from error
    _same("version", head["version"], VERSION)
    _same("format", head.get("format"), FORMAT)
    _same("lexicon", head.get("lexicon"), digest(lexicon))
    _same("tasks", head.get("tasks"), list(TASKS))
    width = len(TASKS) * VALUE_BYTES
    packed = (_pack(rows[start : start + width]) for start in range(0, len(rows), width))
    slope, shift = head["side"]
    return Weights(
        dict(zip(names.decode().split("\n"), packed, strict=True)),
        tuple(head["bias"]),
        head["scale"],
        Calibration(head["temperature"], slope, shift),
    )


def _same(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise ValueError(
            f"task weights have {what} {found!r}, this program needs {wanted!r}; retrain them with proxy.routing.train"
        )


def _pack(row: bytes) -> int:
    packed = 0
    for lane in range(len(TASKS)):
        value = int.from_bytes(row[lane * VALUE_BYTES : (lane + 1) * VALUE_BYTES], "big")
        packed |= value << lane * LANE_BITS
    return packed
