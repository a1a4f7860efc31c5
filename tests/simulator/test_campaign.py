"""A thousand door-days of every lay-out and severity, and what a failure looks like."""

from __future__ import annotations

import pytest
from rich.console import Console

from controller import pin_tries
from simulator import campaign


@pytest.mark.e2e
def test_a_thousand_door_days_break_no_promise() -> None:
    result = campaign.run(1_000, first_seed=1, jobs=2, console=Console(quiet=True))
    assert [f"{each.invariant}: {each.shortest.command()}" for each in result.failures] == []
    assert result.door_days >= 1_000
    assert result.totals["granted"] > 500


def test_plans_come_to_the_door_days_asked_for() -> None:
    plans = campaign.plans(100, 7)
    assert sum(plan.days * plan.doors for plan in plans) >= 100
    assert len({plan.seed for plan in plans}) == len(plans)


def test_a_failure_is_shrunk_and_replays(monkeypatch: pytest.MonkeyPatch) -> None:
    right = pin_tries.PinTries.__init__

    def generous(self: pin_tries.PinTries, left: int, now_ms: int, capacity: int, refill_s: int) -> None:
        right(self, capacity, now_ms, capacity, refill_s)

    monkeypatch.setattr(pin_tries.PinTries, "__init__", generous)
    outcomes = (campaign.play(campaign.Plan(seed, 8.0, 2, 3.0)) for seed in range(1, 9))
    failure = next(outcome for outcome in outcomes if isinstance(outcome, campaign.Failure))
    shortest = campaign.shrink(failure).shortest
    assert shortest.days <= failure.plan.days
    again = campaign.play(shortest)
    assert isinstance(again, campaign.Failure)
    assert again.invariant == failure.invariant
    assert shortest.command().startswith(f"zaalsleutel sim run --seed {failure.plan.seed}")
