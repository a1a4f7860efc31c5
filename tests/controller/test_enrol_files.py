"""An enrolment on the card: all of it or nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller import disk
from controller.formats.enrolment_messages import (
    EnrolmentAnswer,
)
from tests.controller.enrolled_unit import Town
from tests.controller.fresh_unit import FreshUnit, refusals


@pytest.fixture
def fresh(tmp_path):
    return FreshUnit(tmp_path / "data", Town())


class Cut(Exception):
    """The power goes."""


def test_a_power_cut_leaves_a_fresh_unit_or_an_enrolled_one(tmp_path, monkeypatch):
    whole = disk.replace_file
    for moment in range(12):
        unit = FreshUnit(tmp_path / f"unit-{moment}", Town())
        unit.show()
        unit.bring_trust()
        left = moment

        def cut(path: Path, data: bytes, mode: int = 0o600) -> None:
            nonlocal left
            if left == 0:
                raise Cut
            left -= 1
            whole(path, data, mode)

        for module in ("controller.disk", "controller.enrol_files"):
            monkeypatch.setattr(f"{module}.replace_file", cut)
        body = unit.answer()
        try:
            unit.say(EnrolmentAnswer(body=body))
        except Cut:
            ended = False
        else:
            ended = True
        monkeypatch.undo()
        unit.start()
        kept = unit.kept()
        enrolled = "trust.json" in kept
        assert enrolled is (moment > 0), "from the moment that it is written down it is so"
        assert ("link.json" in kept) is enrolled
        assert "enrolment.json" not in kept
        assert unit.unit.floors.trust_version == int(enrolled)
        if enrolled:
            assert json.loads(kept["event.jwk"])["x"] == unit.request()[0].event_key["x"]
        if ended:
            return
    pytest.fail("it never came to its end")


def test_a_card_that_is_full_leaves_the_unit_as_it_was(fresh, monkeypatch):
    fresh.show()
    fresh.bring_trust()
    body = fresh.answer()

    def full(path: Path, data: bytes, mode: int = 0o600) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("controller.enrol_files.replace_file", full)
    fresh.say(EnrolmentAnswer(body=body))
    monkeypatch.undo()
    assert refusals(fresh) == ["not_kept"]
    assert fresh.unit.trust is None
    fresh.clock.passed_ms += 4_000
    fresh.show()
    fresh.bring_trust()
    fresh.say(EnrolmentAnswer(body=body))
    assert fresh.shown()[0] == "code"
