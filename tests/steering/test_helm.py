"""One way to move a migration: refused with what to do instead, checked against the keys there are, audited with who and why."""

import asyncio

import pytest

from proxy.migration.judge import fewest_units
from proxy.migration.roads import Traveller
from proxy.migration.state import Event, Refused, State, Status, percent
from proxy.planning.roadworks import roads_of
from proxy.steering.helm import Helm, keys_taking_part, refuse_too_few_keys, told
from proxy.store.client import connected
from proxy.store.operator import Operator, Unknown
from tests.steering.kit import configured

NOW = 1_795_000_000.0
HALFWAY = State("leave", "gpt-4.1-mini", "gpt-6-luna@none", (50, 100), Status.RUNNING, version=1)


def on(url, scenario, configuration=None):
    async def run():
        async with connected(url) as pipe:
            return await scenario(Helm(pipe, (configuration or configured()).settings))

    return asyncio.run(run())


def test_every_change_leaves_a_line_with_who_and_why(url):
    """Start, promote, roll back: what the share was and is, newest first."""

    async def scenario(helm):
        await helm.steer("leave", Event.START, who="ann@desk", why="the day has come", now=NOW)
        await helm.steer("leave", Event.PROMOTE, who="ann@desk", why="", now=NOW + 1)
        after = await helm.steer("leave", Event.ROLLBACK, who="bob@desk", why="odd answers", now=NOW + 2)
        assert (percent(after), after.version) == (0, 3)
        lines = await Operator(helm.pipe, "x", NOW).audit()
        assert [(each.at, each.who, each.what, each.target, each.detail) for each in lines] == [
            (
                NOW + 2,
                "bob@desk",
                "migrate rollback",
                "leave",
                "50 % -> 0 %, rolled_back, version 3: odd answers",
            ),
            (NOW + 1, "ann@desk", "migrate promote", "leave", "10 % -> 50 %, running, version 2"),
            (NOW, "ann@desk", "migrate start", "leave", "0 % -> 10 %, running, version 1: the day has come"),
        ]

    on(url, scenario)


def test_a_name_that_is_none_and_a_step_that_cannot_be_are_refused(url):
    """With the names there are, and what can be done."""

    async def scenario(helm):
        with pytest.raises(Unknown, match='no migration is called "leaf"; there are: leave'):
            await helm.steer("leaf", Event.START, who="", why="", now=NOW)
        with pytest.raises(Refused, match="it can: start"):
            await helm.steer("leave", Event.PROMOTE, who="", why="", now=NOW)
        assert await Operator(helm.pipe, "x", NOW).audit() == []

    on(url, scenario)


def test_who_comes_second_is_told_so(url):
    """Two operators that read the same state: one of their steps happens."""

    async def scenario(helm):
        before = await helm.state("leave")
        await helm.put(before, Event.START, who="ann", why="", now=NOW)
        with pytest.raises(Refused, match="changed by somebody else meanwhile"):
            await helm.put(before, Event.START, who="bob", why="", now=NOW)

    on(url, scenario)


def test_too_few_keys_for_a_stage_are_refused_with_the_number(url):
    """Thirty keys are no ten per cent of anything: the stage that cannot be judged is not entered."""
    configuration = configured("sticky: key, stages: [10, 50, 100]")
    fit = "[50, 100]" if fewest_units(50) <= 30 else "[100]"

    async def scenario(helm):
        with pytest.raises(Refused) as refused:
            await helm.steer("leave", Event.START, who="", why="", now=NOW)
        assert str(refused.value) == (
            f"a stage of 10 % with sticky: key takes at least {fewest_units(10)} keys, and 30 take part; "
            f"write sticky: user or conversation, or stages: {fit}"
        )

    on(url, scenario, configuration)


@pytest.mark.parametrize(
    ("more", "share", "there"),
    [
        ("sticky: user", 1, 30),
        ("sticky: key", 100, 30),
        ("sticky: key, pins: {k1: from}, exclude: [k2, k3]", 100, 27),
    ],
)
def test_only_keys_that_take_part_count_and_only_where_keys_are_moved(more, share, there):
    """Users are as many as they are; pinned, excluded and expired keys are no part of the share."""
    configuration = configured(more)
    (migration,) = configuration.settings.migrations
    refuse_too_few_keys(migration, configuration.settings, share, NOW)
    assert len(keys_taking_part(migration, configuration.settings, NOW)) == there


def test_keys_that_are_dealt_too_unevenly_are_refused(url):
    """Forty keys are enough for two halves of twenty, and these fall 25 to 15: no guard would ever be judged, and the stage never
    over. With sixty there are twenty-five on the smaller side. Each key is where requests of it go."""

    def of(keys):
        more = "".join(f'  - {{name: k{i}, hash: "sha256:{i:064x}"}}\n' for i in range(31, keys + 1))
        return configured("sticky: key, stages: [50, 100]", more)

    configuration = of(40)
    (migration,) = configuration.settings.migrations
    (road,) = roads_of(configuration.settings, configuration.catalogue, {"leave": HALFWAY}).values()
    forks = [
        road.fork(Traveller(key.name, key.name, "", lambda: b"", {})) for key in configuration.settings.keys
    ]
    assert sum(fork.side == "old" for fork in forks) == 15

    async def scenario(helm):
        with pytest.raises(Refused) as refused:
            await helm.steer("leave", Event.START, who="", why="", now=NOW)
        assert str(refused.value) == (
            "a stage of 50 % with sticky: key puts 15 of 40 keys on one side, and it takes 20 on each; "
            "write sticky: user or conversation, or stages: [100]"
        )

    on(url, scenario, configuration)
    refuse_too_few_keys(migration, of(60).settings, 50, NOW)


def test_a_migration_is_told_for_people_and_programs(url):
    """Where it stands, what is next and since when."""

    async def scenario(helm):
        (waiting,) = await helm.standing()
        assert (waiting["status"], waiting["percent"], waiting["since"], waiting["next"]) == (
            "waiting",
            0,
            None,
            None,
        )
        after = await helm.steer("leave", Event.START, who="ann", why="go", now=NOW)
        assert told(helm.settings_of("leave"), after) == {
            "name": "leave", "from": "gpt-4.1-mini", "to": "gpt-6-luna@none", "status": "running", "percent": 10,
            "stages": [10, 50, 100], "next": 50, "auto": False, "held_until": NOW + 24 * 3600, "since": NOW,
            "started": NOW, "version": 1, "who": "ann", "why": "go",
        }  # fmt: skip

    on(url, scenario)
