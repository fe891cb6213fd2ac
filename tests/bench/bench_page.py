"""What requests pay for an open operator's page and for scrapes; run `python -m tests.bench.bench_page`.

One worker with everything on, under the same load in turn: nobody looking, pages open at their own pace (each asks every
five seconds), a page that asks again as soon as it was answered, and a scrape every second. Parent and worker share one
CPU here, as in a container of one core, so what the parent spends is taken from requests. Rounds are interleaved; the
medians' ratios are what counts.
"""

import statistics
import tempfile
import threading
import time
import urllib.request
from collections import defaultdict
from pathlib import Path
from typing import Final

from tests.bench.compare import Run
from tests.bench.processes import used
from tests.bench.targets import Site, Target, free_port, running

ROUNDS, SECONDS, CONNECTIONS = 5, 4.0, 4
PAGE, SCRAPE = "/admin/overview", "/metrics"
LOOKERS: Final = {
    "nobody": (),
    "3 pages open": ((PAGE, 5.0),) * 3,
    "page without pause": ((PAGE, 0.0),),
    "scrape every second": ((SCRAPE, 1.0),),
}
"""Who looks meanwhile: what each asks for, and the seconds it pauses."""


def look(target: Target, path: str, pause_s: float, over: threading.Event, took_ms: list[float]) -> None:
    while not over.is_set():
        began_s = time.perf_counter()
        urllib.request.urlopen(f"http://127.0.0.1:{target.admin_port}{path}", timeout=30).read()
        took_ms.append((time.perf_counter() - began_s) * 1e3)
        over.wait(pause_s)


def measure(run: Run, target: Target, who: str, found: dict[str, dict[str, list[float]]]) -> None:
    """One round of load with these onlookers."""
    over, took_ms = threading.Event(), list[float]()
    threads = [
        threading.Thread(target=look, args=(target, path, pause_s, over, took_ms))
        for path, pause_s in LOOKERS[who]
    ]
    before = used(target.process.pid)
    for thread in threads:
        thread.start()
    saw = run.load(target, CONNECTIONS, seconds=SECONDS)
    over.set()
    for thread in threads:
        thread.join()
    after = used(target.process.pid)
    found[who]["p50_us"].append(saw["answer_us"]["p50"])
    found[who]["p99_us"].append(saw["answer_us"]["p99"])
    found[who]["cpu_us"].append((after.proxy_s - before.proxy_s) * 1e6 / saw["ok"])
    found[who]["look_ms"].append(statistics.median(took_ms) if took_ms else 0.0)


def main() -> None:
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), free_port())
        with running("direct", site), running("ours", site) as target:
            run = Run(site.upstream, SECONDS)
            run.load(target, CONNECTIONS, seconds=SECONDS)  # the newest rows and hours are full from now on
            for _ in range(ROUNDS):
                for who in LOOKERS:
                    measure(run, target, who, found)
    medians = {
        who: {name: statistics.median(each) for name, each in rows.items()} for who, rows in found.items()
    }
    base = medians["nobody"]
    print(f"{'':20} {'p50':>9} {'p99':>9} {'CPU/request':>12} {'one look':>9}   ratio p50  p99  CPU")
    for who, row in medians.items():
        p50, p99, cpu = (row[name] / base[name] for name in ("p50_us", "p99_us", "cpu_us"))
        print(
            f"{who:20} {row['p50_us']:6.0f} us {row['p99_us']:6.0f} us {row['cpu_us']:9.0f} us {row['look_ms']:6.1f} ms"
            f"       {p50:5.2f} {p99:5.2f} {cpu:5.2f}"
        )


if __name__ == "__main__":
    main()
