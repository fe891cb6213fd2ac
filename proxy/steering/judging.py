"""What the guards say of a migration's present share, from what all workers have measured of it so far."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from proxy.migration.guards import Bounds, Judgement, Stage
from proxy.migration.judge import EVERYBODY, judge
from proxy.migration.observation import Baseline
from proxy.migration.state import State, Status, percent
from proxy.routing.tasks import TASKS
from proxy.settings import Migration
from proxy.store.client import Pipe
from proxy.store.observations import Measured, measured, read_baseline


def judge_by_measures(
    pipe_now: Callable[[], Pipe | None], wall_clock: Callable[[], float]
) -> Callable[[Migration, State], Awaitable[Judgement | None]]:
    """A judge for the supervisor."""

    async def judged(migration: Migration, state: State) -> Judgement | None:
        pipe = pipe_now()
        return await standing(pipe, migration, state, wall_clock()) if pipe is not None else None

    return judged


def last_measured(state: State, versions: Sequence[int]) -> State:
    """The state as it was while both models were last compared: of a migration that is over nothing is measured any more."""
    if state.status in (Status.RUNNING, Status.PAUSED) or not versions:
        return state
    return replace(state, status=Status.PAUSED, share_version=max(versions))


async def standing(pipe: Pipe, migration: Migration, state: State, now: float) -> Judgement:
    """How every guard of the present share stands. Raises StoreAway."""
    found = await measured(pipe, migration.name, state.share_version, now)
    baseline = await read_baseline(pipe, migration.name, state.share_version)
    return judge(found.totals, bounds_of(migration, baseline), stage_of(state, found))


def bounds_of(migration: Migration, baseline: Baseline | None) -> Bounds:
    """What the settings allow. Without a baseline no cost was counted yet, so that its ratio does not matter."""
    guard = migration.guard
    return Bounds(
        failed=float(guard.max_error_rate_increase),
        slow=float(guard.max_slow_first_token_increase),
        cost=float(guard.max_cost_ratio_over_plan),
        planned_ratio=baseline.ratio if baseline is not None else 1.0,
    )


def stage_of(state: State, found: Measured) -> Stage:
    """Where the migration stands, for the judge. Traffic may be told apart into as many tasks as there are, seen or not:
    the share of false alarms that a task has must not depend on what came."""
    return Stage(
        percent=percent(state),
        judged=sum(stage < EVERYBODY for stage in state.stages),
        tasks=len(TASKS),
        quiet_s=found.quiet_s,
    )
