"""Whether a stage of a migration must be rolled back, and whether the next one may begin."""

from proxy.migration.guards import Bounds, Judgement, Stage, Totals


def judge(totals: Totals, bounds: Bounds, stage: Stage) -> Judgement:
    """The verdict on one stage from what both arms did in it. Pure, O(1) per guard, to be asked as often as one likes: the
    bounds hold at all looks together."""
    del bounds, stage
    return Judgement(breaches=(), ready=False, why=f"{len(totals)} pairs and no guard yet", verdicts=())


def fewest_units(percent: int) -> int:
    """Units (users, conversations or keys) there must be for a stage to be judged at all: refuse `sticky: key` below it."""
    return 1000 // max(1, min(percent, 100 - percent))
