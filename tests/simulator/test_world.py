"""The deterministic world: the same seed is the same world, and a bug in the code under test does not stay hidden."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from controller import decide as decide_module
from controller import door as door_module
from controller import eventlog, pin_tries
from controller.decide import Verdict
from controller.door_events import Record, Release
from controller.formats.reasons import Reason
from simulator import invariants, list_invariants
from simulator.invariants import Broken
from simulator.timeline import Timeline
from simulator.world import HUB_TURN_MS, START_MS, World
from sync.agent import link as agent

ROOT = Path(__file__).parents[2]


def test_the_same_seed_is_the_same_world_in_another_process() -> None:
    here = World(11, doors=3, severity=1.0).run(3)
    command = [
        sys.executable,
        "-m",
        "zaalsleutel",
        "sim",
        "run",
        "--seed",
        "11",
        "--days",
        "3",
        "--doors",
        "3",
        "--json",
    ]
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    there = json.loads(subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True).stdout)
    assert there["hash"] == here.hash
    assert there["events"] == dict(here.events)


def test_another_seed_is_another_world() -> None:
    assert World(1).run(1).hash != World(2).run(1).hash


def test_a_calm_world_lets_people_in_and_raises_no_fault_of_the_unit() -> None:
    report = World(3, doors=3, severity=0).run(10)
    assert report.verdicts["granted"] > 20
    assert report.events["in"] > 10
    assert set(report.faults) <= {"pin_tries", "held_open"}  # what people do, not what breaks


def test_a_rough_world_keeps_every_promise() -> None:
    report = World(4, doors=3, severity=2.0).run(10)
    assert len(report.weather) > 10
    assert report.verdicts["granted"] > 0


def test_every_invariant_is_documented() -> None:
    page = " ".join((ROOT / "docs" / "simulation.md").read_text("utf-8").split())
    named = [*invariants.INVARIANTS, *invariants.ELSEWHERE, *list_invariants.ALL]
    assert len(named) > 12
    for invariant in named:
        sentence = " ".join(str(invariant.__doc__).split())
        assert sentence in page, f"docs/simulation.md lacks: {sentence}"


def test_the_picture_shows_what_happened() -> None:
    drawing = Timeline()
    world = World(5, doors=2, severity=1.0, watch=drawing)
    world.run(3)
    page = drawing.html(world)
    for text in ("door-1", "door-2", "granted", 'class="window renter"', "linked"):
        assert text in page
    assert "<script" not in page
    assert "http" not in page.replace("<!doctype html>", "")


# ---- planted bugs: each must be found within some days


def _found(days: float = 40, severity: float = 1.0) -> str:
    for seed in range(8):
        try:
            World(seed, doors=1, severity=severity).run(days / 8)
        except Broken as broken:
            return broken.invariant
    return "not found"


def test_a_window_ignored_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = decide_module.decide

    def careless(*args: object, **more: object) -> Verdict:
        verdict = right(*args, **more)  # type: ignore[arg-type]
        if verdict.reason is Reason.TOO_EARLY:
            return msgspec.structs.replace(verdict, reason=Reason.GRANTED)
        return verdict

    monkeypatch.setattr(door_module, "decide", careless)
    assert _found() == "verdict_follows_list"


def test_a_release_before_its_record_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = door_module.Door.step

    def hasty(self: door_module.Door, *args: object) -> list[object]:
        effects = right(self, *args)  # type: ignore[arg-type]
        return sorted(
            effects, key=lambda effect: isinstance(effect, Record) and any(isinstance(e, Release) for e in effects)
        )

    monkeypatch.setattr(door_module.Door, "step", hasty)
    assert _found(severity=0) == "no_release_without_record"


def test_a_bucket_filled_at_boot_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = pin_tries.PinTries.__init__

    def generous(self: pin_tries.PinTries, left: int, now_ms: int, capacity: int, refill_s: int) -> None:
        right(self, capacity, now_ms, capacity, refill_s)

    monkeypatch.setattr(pin_tries.PinTries, "__init__", generous)
    assert _found(days=80, severity=3.0) == "tries_not_refilled"


def test_a_log_that_says_durable_and_is_not_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = eventlog.EventLog._write

    def forgetful(self: eventlog.EventLog, rows: list[object], kept: object) -> None:
        right(self, rows[:-1] if len(rows) == 1 and self.end.seq % 7 == 6 else rows, kept)  # type: ignore[arg-type]

    monkeypatch.setattr(eventlog.EventLog, "_write", forgetful)
    assert _found(severity=0) == "records_arrive"


def test_a_threat_that_is_not_recorded_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = decide_module.decide

    def deaf(*args: object, **more: object) -> Verdict:
        return msgspec.structs.replace(right(*args, **more), duress=False)  # type: ignore[arg-type]

    monkeypatch.setattr(door_module, "decide", deaf)
    assert _found(days=80, severity=0) == "threat_is_told"


def test_a_link_broken_between_two_looks_is_not_held_against_the_door() -> None:
    """Seed 2 with two doors: the cable was mended a second before the look."""
    world = World(1, severity=0, populated=False)
    world.run(0.1)
    look_ms = START_MS + 20 * HUB_TURN_MS
    world.at(look_ms + 30_000, lambda: world.broker.cut_cable("door-1"))
    world.at(look_ms + HUB_TURN_MS - 100, lambda: world.broker.mend_cable("door-1"))
    world.run(0.2)
    assert world.doors["door-1"].linked


def test_a_link_that_never_comes_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "BACKOFF_LAST_S", 10_000_000.0)
    monkeypatch.setattr(agent, "BACKOFF_FIRST_S", 10_000_000.0)
    with pytest.raises(Broken, match="comes_back"):
        World(1, severity=0, populated=False).run(1)
