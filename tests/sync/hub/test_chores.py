import logging
from pathlib import Path

import pytest

from sync.hub import chores
from sync.hub.audit.retention import Purged, Retention
from sync.hub.chores import PURGE_EVERY_S, Chores
from sync.hub.records.visits import Visits
from sync.hub.store.database import open_database
from tests.sync.hub.conftest import NOW
from tests.sync.hub.test_link import eventually


def test_a_chore_that_fails_stays_due_and_keeps_the_other_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    purged: list[int] = []
    purge = Retention.purge

    def counted(retention: Retention, now: int) -> Purged:
        purged.append(now)
        return purge(retention, now)

    monkeypatch.setattr(Retention, "purge", counted)
    monkeypatch.setattr(Visits, "follow", lambda _self, _now: 1 // 0)
    monkeypatch.setattr(chores, "EVERY_S", 0.01)
    times = iter((NOW, NOW, NOW, NOW, NOW + PURGE_EVERY_S, NOW + PURGE_EVERY_S))
    worker = Chores(open_database(f"sqlite:///{tmp_path / 'hub.db'}"), clock=lambda: next(times, NOW + PURGE_EVERY_S))
    worker.start()
    eventually(lambda: len(purged) == 2)
    worker.stop()
    assert purged == [NOW, NOW + PURGE_EVERY_S], "once a day"
    failed = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert len(failed) >= 3
    assert {each.message for each in failed} == {"a chore failed; it stays due"}


def test_a_clock_that_was_ahead_does_not_put_off_forgetting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    purged: list[int] = []

    def purge(_retention: Retention, now: int) -> Purged:
        purged.append(now)
        return Purged(0, 0, 0, 0)

    monkeypatch.setattr(Retention, "purge", purge)
    times = [NOW + 365 * PURGE_EVERY_S, NOW, NOW + 60, NOW + PURGE_EVERY_S]
    worker = Chores(open_database(f"sqlite:///{tmp_path / 'hub.db'}"), clock=lambda: times[0])
    while times:
        worker.turn()
        times.pop(0)
    assert purged == [NOW + 365 * PURGE_EVERY_S, NOW, NOW + PURGE_EVERY_S]
