"""Whoever asks faster than it can be done fills no memory, and the newest is done in the end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller.latest import Latest
from tests.controller.enrolled_unit import EnrolledUnit, Town


def test_one_at_a_time_and_of_those_that_wait_the_newest():
    begun: list[str] = []
    latest = Latest(begun.append)
    for body in "abcd":
        latest.ask(body)
    assert begun == ["a"]
    latest.done()
    assert begun == ["a", "d"]
    latest.done()
    latest.ask("e")
    assert begun == ["a", "d", "e"]


def test_work_that_is_done_at_once_needs_no_waiting():
    begun: list[str] = []

    def begin(body: str) -> None:
        begun.append(body)
        latest.done()

    latest = Latest(begin)
    for body in "abc":
        latest.ask(body)
    assert begun == ["a", "b", "c"]


@pytest.mark.parametrize("kind", ["trust", "list"])
def test_an_agent_that_floods_a_busy_unit_has_one_piece_of_work_waiting(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
):
    door = EnrolledUnit(tmp_path, Town())
    jobs: list[Callable[[], None]] = []
    monkeypatch.setattr(door, "on_disk", lambda job, then: jobs.append(lambda: then(job())))
    for _ in range(1_000):
        door.deliver(kind, "x" * 1_000)
    assert len(jobs) == 1
    jobs.pop()()
    assert len(jobs) == 1
    jobs.pop()()
    assert jobs == []


def test_the_newest_steps_of_trust_are_taken_behind_a_flood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    town = Town()
    door = EnrolledUnit(tmp_path, town)
    jobs: list[Callable[[], Any]] = []
    monkeypatch.setattr(door, "on_disk", lambda job, then: jobs.append(lambda: then(job())))
    for _ in range(10):
        door.deliver("trust", "[]")
    town.sign_trust()
    door.deliver_trust()
    while jobs:
        jobs.pop(0)()
    assert door.trust_on_disk() == 2
