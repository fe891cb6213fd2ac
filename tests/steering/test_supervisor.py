"""What the leading parent does at a look: on a breach, when a stage is over, before and on the old model's last day."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from proxy.migration.assignment import bucket, side_of
from proxy.migration.guards import Measure
from proxy.migration.observation import Baseline, Observation, Sums
from proxy.migration.state import Event, Status, percent
from proxy.steering.helm import Helm
from proxy.steering.judging import judge_by_measures
from proxy.steering.supervisor import Supervisor
from proxy.store.client import connected
from proxy.store.observations import enter, freeze
from proxy.store.operator import Operator
from tests.steering.kit import READY, Parent, Told, breach, configured

START = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
HOUR = 3600.0


class Scene:
    """A supervisor whose clock and judge are the test's."""

    def __init__(self, pipe, configuration, **more):
        self.now, self.judgement, self.told = START, None, Told()
        self.parent = Parent(pipe, configuration, **more)
        self.helm = Helm(pipe, configuration.settings)
        self.published = {}
        self.supervisor = self.another()

    def another(self):
        return Supervisor(
            self.parent, self.judge, self.told, self.told, lambda: self.now, published=lambda: self.published
        )

    async def judge(self, migration, state):
        return self.judgement

    async def start(self):
        await self.helm.steer("leave", Event.START, who="ann", why="", now=self.now)

    async def look(self):
        await self.supervisor.look()
        return await self.helm.state("leave")


def on(url, scenario, configuration=None, **more):
    async def run():
        async with connected(url) as pipe:
            await scenario(Scene(pipe, configuration or configured(), **more))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("measure", "guard"),
    [(Measure.FAILED, "error_rate"), (Measure.SLOW, "slow_first_token"), (Measure.COST, "cost_ratio")],
)
def test_a_breach_rolls_back_at_the_first_look_and_alarms_once(url, measure, guard):
    """State, audit line, log and metric; nothing more at the next look."""

    async def scenario(scene):
        await scene.start()
        scene.judgement = breach(measure)
        state = await scene.look()
        assert (state.status, state.who) == (Status.ROLLED_BACK, "switchyard")
        assert await scene.look() == state
        assert scene.told.trips == [("leave", guard)]
        (moved,) = scene.told.named("migration_moved")
        assert moved == {
            "migration": "leave",
            "step": "rollback",
            "percent": 0,
            "why": "failed: 1.00% -> 20.00%",
        }
        audit = await Operator(scene.helm.pipe, "x", START).audit()
        assert (audit[0].who, audit[0].what) == ("switchyard", "migrate rollback")

    on(url, scenario)


def test_time_samples_and_guards_promote_to_the_end(url):
    """Three stages of a day each, then it is finished; never before the day is over."""

    async def scenario(scene):
        await scene.start()
        scene.judgement = READY
        seen = []
        for _ in range(3):
            scene.now += 24 * HOUR - 1
            await scene.look()
            scene.now += 1
            state = await scene.look()
            seen.append((state.status, state.stages[state.stage]))
        assert seen == [(Status.RUNNING, 50), (Status.RUNNING, 100), (Status.FINISHED, 100)]

    on(url, scenario, configured("auto: true, stages: [10, 50, 100]"))


async def traffic(pipe, state):
    """A call of each of 3,000 users in the present share, each on the side that requests would take; both models do well."""
    baseline, sums = Baseline({"\x1ffirst": 1.0}, 1e6, 1.0), Sums()
    await freeze(pipe, "leave", state.share_version, baseline)
    for i in range(3000):
        unit = f"{i:020x}"
        side = side_of(bucket("leave", unit), percent(state))
        seen = Observation(
            "leave", state.share_version, side, unit, "", stream=True, first_s=0.5, cost_nano=1000 + i % 7
        )
        sums.add(seen, baseline)
    await enter(pipe, "leave", state.share_version, sums)


def test_what_is_measured_brings_a_migration_from_its_first_stage_to_its_end(url):
    """With the real judge on what the store holds, at 100 % too, where only the new model is called. Days pass for the supervisor;
    how long ago a side was called is told by the store's clock."""

    async def scenario(scene):
        scene.judge = judge_by_measures(lambda: scene.helm.pipe, time.time)
        scene.supervisor, seen = scene.another(), []
        await scene.start()
        for _ in range(3):
            scene.now += 24 * HOUR
            untouched = await scene.look()
            await traffic(scene.helm.pipe, untouched)
            state = await scene.look()
            seen.append((untouched.version, state.status, percent(state)))
        assert seen == [(1, Status.RUNNING, 50), (2, Status.RUNNING, 100), (3, Status.FINISHED, 100)]

    on(url, scenario, configured("auto: true, stages: [10, 50, 100]"))


def test_who_does_not_lead_does_nothing(url):
    """One replica acts; the others would only come second."""

    async def scenario(scene):
        await scene.start()
        scene.judgement = breach()
        assert (await scene.look()).status is Status.RUNNING
        scene.parent.is_leader = True
        assert (await scene.look()).status is Status.ROLLED_BACK

    on(url, scenario, is_leader=False)


def test_two_that_both_lead_promote_once(url):
    """A leader that was slow to learn it is none: compare-and-set lets one of two simultaneous looks act."""

    async def scenario(scene):
        await scene.start()
        scene.judgement, scene.now = READY, START + 24 * HOUR
        others = [scene.another() for _ in range(5)]
        await asyncio.gather(*[each.look() for each in others])
        state = await scene.helm.state("leave")
        assert (state.stages[state.stage], state.version) == (50, 2)

    on(url, scenario, configured("auto: true, stages: [10, 50, 100]"))


def test_start_now_begins_once_and_not_again_after_a_rollback(url):
    """The file's wish is for the beginning; what an operator took back stays back."""

    async def scenario(scene):
        assert (await scene.look()).status is Status.RUNNING
        await scene.helm.steer("leave", Event.ROLLBACK, who="ann", why="", now=START)
        assert (await scene.look()).status is Status.ROLLED_BACK

    on(url, scenario, configured("start: now"))


def test_what_cannot_be_done_is_said_once(url):
    """`start: now` with too few keys: held back, with the number, and not every second."""

    async def scenario(scene):
        for _ in range(3):
            assert (await scene.look()).status is Status.WAITING
        (held,) = scene.told.named("migration_held")
        assert "takes at least" in held["why"]

    on(url, scenario, configured("start: now, sticky: key"))


def test_the_last_day_is_warned_of_four_times_and_then_everybody_moves(url):
    """gpt-4.1-mini ends on 2027-01-14: 30, 14, 7 and 1 days before, each once, whatever the stage; the day before (the
    margin) everybody is moved, with an audit line, and there is no more to warn of."""

    async def scenario(scene):
        await scene.start()
        ends = datetime(2027, 1, 14, tzinfo=UTC).timestamp()
        for hours in range(40 * 24, 23, -6):
            scene.now = ends - hours * HOUR
            state = await scene.look()
            assert (state.status is Status.FINISHED) == (hours <= 24)
        warned = [each["days_left"] for each in scene.told.named("migration_deadline")]
        assert warned == [30, 14, 7, 1]
        audit = await Operator(scene.helm.pipe, "x", START).audit()
        assert (audit[0].what, audit[0].detail) == (
            "migrate deadline",
            "10 % -> 100 %, finished, version 2: gpt-4.1-mini has ended; everybody moves to gpt-6-luna@none",
        )

    on(url, scenario)


def test_a_day_that_the_provider_publishes_counts_as_it_does_for_requests(url):
    """An earlier one than the catalogue's, heard while it runs: warned of at once, and everybody moves on it."""

    async def scenario(scene):
        await scene.start()
        await scene.look()
        assert scene.told.named("migration_deadline") == []
        scene.published = {("openai", "gpt-4.1-mini"): START + 3 * 24 * HOUR}
        assert (await scene.look()).status is Status.RUNNING
        assert [each["days_left"] for each in scene.told.named("migration_deadline")] == [3]
        scene.now += 2 * 24 * HOUR
        assert (await scene.look()).status is Status.FINISHED

    on(url, scenario)
