"""Side by side: every promise about speed, measured in one run against other proxies and no proxy at all.

    python -m tests.bench.compare [--full] [--only NAME,NAME] [--rounds N] [--json FILE]

All targets run at once; each round measures one after the other, so that whatever else the machine does hits all alike,
and medians over the rounds are taken. The proxy has CPU 0; the upstream, the load and the embedded store have CPU 1
(Linux, two CPUs or more). CPU is what the kernel charged the proxy's processes, divided by the answers (or events) that
its client counted.
Without --full: fewer rounds and targets, some minutes. Figures are for comparing, not for quoting: only ratios travel.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.bench.bench_metrics import counted_us
from tests.bench.processes import memory_mb, move_stores, used
from tests.bench.rows import Figures, tables
from tests.bench.targets import LOAD_CPU, ROOT, Site, Target, free_port, running

SHORT: Final = (
    "relay", "nginx", "naive", "typed relay", "litellm", "tensorzero", "ours open", "ours keys", "ours",
    "ours limits", "ours routed", "ours migrating",
)  # fmt: skip
FULL: Final = (*SHORT, "litellm full", "ours tls")
EVENTS: Final = 100
"""Content events of a stream, as long answers have."""
EVERY_US: Final = 20_000
RAMP_S: Final = str(EVENTS * EVERY_US / 1e6)
"""A stream's length: over it the streams of a load begin, so that some always begin and some end."""
HELD: Final = ("nginx", "ours")
"""Who has to hold 2,000 streams: a run of its own, since it takes long and disturbs everybody."""


@dataclass
class Run:
    """The figures as they gather, and how long each measurement takes."""

    upstream: int
    seconds: float
    seen: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    failures: list[str] = field(default_factory=list)

    def note(self, target: Target, **values: float) -> None:
        for name, value in values.items():
            self.seen[target.name][name].append(value)

    def figures(self) -> Figures:
        return {
            target: {name: statistics.median(values) for name, values in found.items()}
            for target, found in self.seen.items()
        }

    def pace(self, events: int, every_us: int) -> None:
        url = f"http://127.0.0.1:{self.upstream}/_pace?events={events}&every_us={every_us}"
        urllib.request.urlopen(url, timeout=10).read()

    def load(self, target: Target, connections: int, *flags: str, seconds: float = 0.0) -> dict[str, Any]:
        """Put load on a target; what the client saw, with the CPU seconds it cost as `cpu_s` and `store_s`."""
        command = _load_command(target, connections, seconds or self.seconds)
        before = used(target.process.pid)
        done = subprocess.run(
            [*command, *flags],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=180,
        )
        after = used(target.process.pid)
        saw: dict[str, Any] = json.loads(done.stdout)
        if saw["failed"] or saw["incomplete"]:
            self.failures.append(
                f"{target.name}: {saw['failed']} failed, {saw['incomplete']} cut {saw['errors']}"
            )
        return {**saw, "cpu_s": after.proxy_s - before.proxy_s, "store_s": after.store_s - before.store_s}


def _load_command(target: Target, connections: int, seconds: float) -> list[str]:
    """The load generator against a target, on its own CPU."""
    whom = (target.url, "--model", target.model, "--key", target.key)
    much = ("--connections", str(connections), "--seconds", str(seconds), "--cpu", str(LOAD_CPU))
    return [sys.executable, "-m", "tests.bench.load", *whom, *much]


def measure(run: Run, target: Target, *, crowd: bool) -> None:
    """Every measurement of one target, once. `crowd`: also 500 streams."""
    # Who talks of something else may be on the other side.
    prompts = ("--prompts", "2000") if target.name == "ours migrating" else ()
    plain = run.load(target, 32, *prompts)
    if not plain["ok"]:
        return
    run.note(
        target,
        cpu_32=plain["cpu_s"] * 1e6 / plain["ok"],
        store_32=plain["store_s"] * 1e6 / plain["ok"],
        rps_32=plain["rps"],
    )
    if target.name == "ours routed":
        # A verdict is remembered for a while; here each prompt comes again when it has long been forgotten.
        new = run.load(target, 32, "--prompts", "2000")
        run.note(target, cpu_32_new=new["cpu_s"] * 1e6 / new["ok"])
        other = run.load(target, 32, "--prompts", "2000", "--instructions", "2000")
        run.note(target, cpu_32_other=other["cpu_s"] * 1e6 / other["ok"])
    if target.name in ("relay", "nginx", "ours"):
        code = run.load(target, 32, "--code-bytes", "20000")
        run.note(target, cpu_32_code=code["cpu_s"] * 1e6 / code["ok"])
    alone = run.load(target, 1)
    run.note(target, cpu_1=alone["cpu_s"] * 1e6 / alone["ok"], p50_1=alone["answer_us"]["p50"])
    run.pace(EVENTS, EVERY_US)
    streams = run.load(target, 100, "--stream", "--usage", "--ramp", RAMP_S)
    run.note(target, cpu_100=streams["cpu_s"] * 1e6 / streams["events"], event_100=streams["event_us"]["p50"])
    if target.name.startswith("ours"):
        stripped = run.load(target, 100, "--stream", "--ramp", RAMP_S)
        run.note(target, cpu_100_strip=stripped["cpu_s"] * 1e6 / stripped["events"])
    few = run.load(target, 15, "--stream", "--usage", "--ramp", RAMP_S)
    run.note(target, first_15=few["first_us"]["p50"])
    if crowd and target.name in ("nginx", "direct", "relay", "ours"):
        many = run.load(target, 500, "--stream", "--usage", "--ramp", RAMP_S)
        run.note(target, cpu_500=many["cpu_s"] * 1e6 / many["events"])
    run.pace(EVENTS, 0)
    flood = run.load(target, 100, "--stream", "--usage")
    run.note(
        target, eps_flood=flood["events"] / flood["wall_s"], cpu_flood=flood["cpu_s"] * 1e6 / flood["events"]
    )


def hold(run: Run, target: Target, streams: int = 2000) -> None:
    """Memory with many streams open at once, each with ten events a second."""
    run.pace(50, 100_000)
    idle_mb = peak_mb = memory_mb(target.process.pid)
    command = _load_command(target, streams, 5)
    shape = ("--ramp", "2", "--once", "--stream", "--usage")
    with subprocess.Popen([*command, *shape], cwd=ROOT, stdout=subprocess.PIPE, text=True) as loading:
        while loading.poll() is None:
            peak_mb = max(peak_mb, memory_mb(target.process.pid))
            time.sleep(0.25)
        assert loading.stdout is not None
        saw = json.loads(loading.stdout.read())
    failed = streams - saw["ok"] + saw["incomplete"]
    run.note(target, kb_2000=(peak_mb - idle_mb) * 1024 / streams, failed_2000=failed)


@contextlib.contextmanager
def town(names: list[str], folder: Path) -> Iterator[tuple[list[Target], list[str]]]:
    """Every target that can be run here, and why others cannot."""
    site, missing = Site(folder, free_port()), []
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(running("direct", site))]
        for name in names:
            try:
                found.append(stack.enter_context(running(name, site)))
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                missing.append(f"{name}: {error}")
        yield found, missing


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before it was done"))  # the targets end with us
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", default="", help="targets, comma separated")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0, help="length of one measurement")
    parser.add_argument("--json", default="", help="also write the figures there")
    args = parser.parse_args()
    names = args.only.split(",") if args.only else list(FULL if args.full else SHORT)
    rounds = args.rounds or (5 if args.full else 2)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        town(names, Path(folder)) as (found, missing),
    ):
        run = Run(found[0].port, args.seconds or (3.0 if args.full else 1.0))
        time.sleep(1)
        for target in found:
            move_stores(target.process.pid, LOAD_CPU)
            run.note(target, idle_mb=memory_mb(target.process.pid), cold_s=target.cold_start_s)
        for target in found:
            # Unmeasured: pools fill, caches and branch predictors warm up.
            run.load(target, 8, seconds=0.5)
        for number in range(rounds):
            for target in found:
                measure(run, target, crowd=args.full)
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for target in found:
            if target.name in HELD:
                hold(run, target)
    run.seen["ours"]["metrics_us"] = [counted_us()]
    figures = run.figures()
    print(tables(figures))
    print(f"\n{rounds} rounds of {run.seconds:g} s; machine load {os.getloadavg()[0]:.1f} at the end.")
    for line in (*missing, *sorted(set(run.failures))):
        print(f"- {line}")
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
