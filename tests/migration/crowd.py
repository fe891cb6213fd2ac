"""A crowd that sends calls under a migration, as unfriendly to statistics as the real one, and several judges that watch it.

Users are heavy-tailed (Pareto weights: the first of a thousand sends several % of all calls), arrive throughout a stage, send sessions of many
alike calls; failures come in bad sessions of some users, slowness and cost belong to users too; there are outages and slow hours
that hit both arms. Stages are nested as buckets of a hash are. What an arm adds on top is a `Fault`.
"""

import math
from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate

from proxy.migration.contrast import contrast, standing
from proxy.migration.guards import MOST_WEIGHT, Arms, ArmTotals, Bounds, Measure, Stage, cost_caps
from proxy.migration.judge import alarms, enough, part_of_alarms
from proxy.migration.sequence import log_evidence

SHIPPED = Bounds(failed=0.01, slow=0.05, cost=1.2, planned_ratio=0.5)
# The same road with no slack at all: A/A traffic is then exactly on the bound, where false alarms are likeliest.
ON_THE_BOUND = Bounds(failed=0.0, slow=0.0, cost=1.0, planned_ratio=0.5)
CAPS = cost_caps(1e5 * math.exp(0.5 * (1 + 0.64)), SHIPPED)  # of the lognormal costs below
STAGES = (1, 5, 25, 50, 100)
JUDGED = sum(percent < 100 for percent in STAGES)
TASKS = tuple(f"task{i}" for i in range(13))
SCOPES = ("", *TASKS)


@dataclass(frozen=True)
class Fault:
    """What the new model does worse: failures and slow first tokens added to a call's own; first-token time as a factor on
    its own, cost as one on the plan."""

    failed: float = 0.0
    slow: float = 0.0
    later: float = 1.0
    cost: float = 1.0


NO_FAULT = Fault()


@dataclass(frozen=True)
class Size:
    """How many users, and sessions per stage; a look after every `pace` sessions."""

    units: int
    sessions: int
    pace: int = 25


class Unit:
    """One user. Its first-token times are lognormal around its own median; slow is what 5 % of all calls are."""

    __slots__ = ("bad", "bucket", "cost", "pace", "tasks")

    def __init__(self, random):
        self.bucket = random.random()
        self.bad = random.betavariate(
            0.3, 14.7
        )  # of its sessions, half of whose calls fail: 1 % of all calls
        self.pace = random.gauss(0.0, 0.3)
        self.cost = random.lognormvariate(0.0, 1.0)
        self.tasks = (int(13 * random.random() ** 2), int(13 * random.random() ** 2))

    def slow(self, factor):
        return tail((1.645 * math.hypot(0.3, 0.6) - self.pace - math.log(factor)) / 0.6)

    def session(self, random, fault, new, *, down=False, factor=1.0):
        """Calls of one session with the sums of failed, slow and cost over them."""
        calls = min(int(random.paretovariate(1.5)), 100)
        fails = 0.9 if down else 0.5 * (random.random() < self.bad)
        slow = self.slow(factor * fault.later if new else factor)
        cost = (
            self.cost * random.lognormvariate(0.0, 0.8) * (SHIPPED.planned_ratio * fault.cost if new else 1.0)
        )
        if new:
            fails += (1 - fails) * fault.failed
            slow += (1 - slow) * fault.slow
        nano = int(calls * min(cost * 1e5, CAPS[new]))
        return calls, (binomial(random, calls, fails), binomial(random, calls, slow), nano)


def binomial(random, n, p):
    """Hits among n; the time goes with the hits, not with n."""
    if p <= 0:
        return 0
    if p >= 1:
        return n
    hits, at, miss = 0, 0, math.log1p(-p)
    while True:
        at += 1 + int(math.log(1.0 - random.random()) / miss)
        if at > n:
            return hits
        hits += 1


class Sums:
    """One scope of one arm: the running sums of three measures, which share n, kept as the store keeps them."""

    __slots__ = ("calls", "of", "sums", "units")

    def __init__(self):
        self.units = {}
        self.calls = 0
        self.sums = [0, 0, 0]  # units, n, nn
        self.of = [[0.0, 0.0, 0.0] for _ in Measure]  # y, ny, yy

    def add(self, unit, calls, values):
        n, *ys = self.units.get(unit) or (0, 0, 0, 0)
        sums, to = self.sums, n + calls
        was, now = min(n, MOST_WEIGHT), min(to, MOST_WEIGHT)
        shrunk, shrinks = was / n if n else 0.0, now / to
        self.calls += calls
        sums[0] += n == 0
        sums[1] += now - was
        sums[2] += now * now - was * was
        for i in (0, 1, 2):
            of = self.of[i]
            y = ys[i] * shrunk
            ys[i] += values[i]
            after = ys[i] * shrinks
            of[0] += after - y
            of[1] += now * after - was * y
            of[2] += after * after - y * y
        self.units[unit] = (to, *ys)

    def totals(self, i):
        units, n, nn = self.sums
        y, ny, yy = self.of[i]
        return ArmTotals(units, self.calls, n, y, nn, ny, yy)


def stage_looks(random, crowd, percent, size, fault):
    """The looks of one stage: yields (sums, scopes that changed) after every few sessions. Totals begin anew."""
    order = list(range(len(crowd)))
    random.shuffle(order)
    weights = list(accumulate(min(random.paretovariate(1.2), 300.0) for _ in order))
    sums = {side: {scope: Sums() for scope in SCOPES} for side in (False, True)}
    outage = random.randrange(size.sessions) if random.random() < 0.3 else -size.sessions
    slowest = random.choice((1.0, 1.0, 1.5))
    changed = {""}
    for session in range(size.sessions):
        progress = session / size.sessions
        here = int(len(order) * (0.5 + 0.5 * progress)) - 1
        name = order[bisect(weights, random.random() * weights[here])]
        unit = crowd[name]
        new = unit.bucket * 100 < percent
        down = outage <= session < outage + size.sessions // 50
        calls, values = unit.session(random, fault, new, down=down, factor=1 + (slowest - 1) * progress)
        task = TASKS[unit.tasks[random.random() < 0.2]]
        for scope in ("", task):
            sums[new][scope].add(name, calls, values)
        changed.add(task)
        if session % size.pace == size.pace - 1:
            yield sums, changed
            changed = {""}


def newcomers(random, percent, units, fault):
    """Traffic for power: units come one after the other, each with all its sessions (heavy-tailed in number). Yields both arms'
    sums after every unit."""
    old, new = Sums(), Sums()
    for name in range(units):
        unit = Unit(random)
        moved = unit.bucket * 100 < percent
        for _ in range(min(int(random.paretovariate(1.2)), 300)):
            (new if moved else old).add(name, *unit.session(random, fault, moved))
        yield old, new


def watched(random, size, judges, fault=NO_FAULT, stages=STAGES):
    """One migration, every look of it shown to every judge until its first alarm. Which judges raised one: name -> (stage,
    measure, task, units, calls on both arms)."""
    crowd = [Unit(random) for _ in range(size.units)]
    raised = {}
    for percent in stages:
        if percent == 100:
            continue
        stage = Stage(percent, JUDGED, len(TASKS), {})
        for sums, changed in stage_looks(random, crowd, percent, size, fault):
            for scope in changed:
                old, new = sums[False][scope], sums[True][scope]
                if new.calls < 50 or old.calls < 50:
                    continue
                for i, measure in enumerate(Measure):
                    arms = Arms(old.totals(i), new.totals(i))
                    for name, (judge, bounds) in judges.items():
                        if name not in raised and judge(measure, scope, arms, bounds, stage):
                            raised[name] = (
                                percent,
                                measure,
                                scope,
                                old.sums[0] + new.sums[0],
                                old.calls + new.calls,
                            )
            if len(raised) == len(judges):
                return raised
    return raised


def z_per_call(measure, task, arms, bounds, stage):
    """The planted mistake: a z-test at every look, every call on its own. Its level is Bonferroni's, as ours."""
    if measure is Measure.COST or not enough(arms):
        return False
    (p, n), (q, m) = ((arm.y / arm.n, arm.calls) for arm in arms)
    variance = p * (1 - p) / n + q * (1 - q) / m
    bound = bounds.failed if measure is Measure.FAILED else bounds.slow
    return variance > 0 and tail((q - p - bound) / math.sqrt(variance)) < part_of_alarms(task, stage)


def z_per_unit(measure, task, arms, bounds, stage):
    """Half of the mistake: spread between units, but a z-test at every look."""
    found = contrast(measure, arms, bounds) if enough(arms) else None
    return found is not None and tail(standing(found)) < part_of_alarms(task, stage)


def sequence_per_call(measure, task, arms, bounds, stage):
    """The other half: valid at every look, but every call on its own."""
    if measure is Measure.COST or not enough(arms):
        return False
    (p, n), (q, m) = ((arm.y / arm.n, arm.calls) for arm in arms)
    variance = p * (1 - p) / n + q * (1 - q) / m
    bound = bounds.failed if measure is Measure.FAILED else bounds.slow
    if variance <= 0 or q - p <= bound:
        return False
    evidence = log_evidence((q - p - bound) / math.sqrt(variance), n + m, 0.03**2 / variance)
    return evidence > -math.log(part_of_alarms(task, stage))


def tail(z):
    return math.erfc(z / math.sqrt(2)) / 2


def sizes(random):
    """Small shops and large ones, evenly on the scale of logarithms."""
    units = int(math.exp(random.uniform(math.log(200), math.log(10_000))))
    return Size(units, sessions=int(math.exp(random.uniform(math.log(600), math.log(6_000)))))


def interval(hits, of):
    """The exact 95 % interval of a share (Clopper and Pearson), by bisection on the binomial tail."""
    return _bound(hits, of, upper=False), _bound(hits, of, upper=True)


def _bound(hits, of, *, upper):
    if hits == (of if upper else 0):
        return float(upper)
    low, high = 0.0, 1.0
    for _ in range(60):
        p = (low + high) / 2
        below = sum(math.exp(_log_binomial(of, k, p)) for k in range(hits + 1 if upper else hits))
        too_low = below > 0.025 if upper else below > 0.975
        low, high = (p, high) if too_low else (low, p)
    return low


def _log_binomial(n, k, p):
    return (
        math.lgamma(n + 1)
        - math.lgamma(k + 1)
        - math.lgamma(n - k + 1)
        + k * math.log(p)
        + (n - k) * math.log1p(-p)
    )


OURS = {"shipped bounds": (alarms, SHIPPED), "on the bound": (alarms, ON_THE_BOUND)}
MUTANTS = {
    "z per call": (z_per_call, ON_THE_BOUND),
    "z per unit": (z_per_unit, ON_THE_BOUND),
    "sequence per call": (sequence_per_call, ON_THE_BOUND),
}
