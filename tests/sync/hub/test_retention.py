"""Forgetting: names go, the proof stays; figures outlive both."""

from __future__ import annotations

import datetime

import pytest

from controller.formats.errors import Refused
from sync.hub import aggregates
from sync.hub.audit import verify
from sync.hub.audit_export import export
from sync.hub.database import Base, Sessions, reading
from sync.hub.log_store import LogStore
from sync.hub.retention import Retention, months_before
from sync.hub.service import Service
from sync.hub.subject_access import subject_access
from sync.hub.visits import SETTLE_S, Visits
from tests.sync.hub.conftest import DAY
from tests.sync.hub.rented import DOOR, START, UNTIL, Rented

LATER = UNTIL + 100 * DAY


@pytest.fixture
def rented(sessions: Sessions, service: Service) -> Rented:
    rented = Rented(sessions, service)
    grant = rented.book()
    rented.write("boot", START - 60)
    rented.write("granted", START, grant)
    rented.write("in", START + 5, grant, leaf="opened")
    rented.write("out", UNTIL, grant, attribution="explicit")
    rented.deliver()
    Visits(sessions).follow(UNTIL + SETTLE_S)
    return rented


def intact(rented: Rented) -> int:
    """How many records of the export are redacted; it verifies."""
    verdict = verify(export(LogStore(rented.sessions), DOOR, rented.log.log), rented.log.signing.verify_key)
    assert verdict.damage is None
    assert verdict.records == len(rented.log.events)
    return verdict.redacted


def test_subject_access_is_complete_before_and_empty_after(rented: Rented):
    for asked in ({"reservation": "booking/R-1"}, {"holder": "h-1"}):
        document = subject_access(rented.sessions, 3, **asked)
        assert [each["ref"] for each in document["reservations"]] == ["R-1"]
        assert [each["what"] for each in document["records"]] == ["granted", "in", "out"]
        assert [each["used"] for each in document["visits"]] == [True]
        assert all(each["forgotten_at"] for each in document["records"])
    assert intact(rented) == 0
    gone = Retention(rented.sessions).purge(LATER)
    assert (gone.openings, gone.reservations, gone.visits) == (3, 1, 1)
    for asked in ({"reservation": "booking/R-1"}, {"holder": "h-1"}):
        document = subject_access(rented.sessions, 3, **asked)
        assert not (document["reservations"] or document["records"] or document["visits"])
    assert intact(rented) == 3, "the chain still verifies"
    again = Retention(rented.sessions).purge(LATER)
    assert (again.openings, again.reservations, again.visits) == (0, 0, 0)


def test_nothing_is_forgotten_a_day_too_early(rented: Rented):
    too_early = int((datetime.datetime.fromtimestamp(UNTIL, datetime.UTC) + datetime.timedelta(days=91)).timestamp())
    assert Retention(rented.sessions).purge(too_early).reservations == 0


def test_no_table_knows_the_reservation_any_more(rented: Rented):
    grant = Visits(rented.sessions).of_reservation("booking", "R-1")[0].grant
    Retention(rented.sessions).purge(LATER)
    with reading(rented.sessions).begin() as session:
        connection = session.connection()
        for table in Base.metadata.sorted_tables:
            for row in connection.execute(table.select()).mappings():
                values = {str(value) for value in row.values()}
                assert not ("R-1" in values and grant in values), table.name
                assert "R-1" not in values, table.name


def test_a_hold_keeps_all_of_it_until_it_is_released(rented: Rented):
    retention = Retention(rented.sessions)
    retention.hold("booking/R-1", "file 2026/17", "jdoe", UNTIL)
    gone = retention.purge(LATER)
    assert (gone.openings, gone.reservations) == (0, 0)
    held = subject_access(rented.sessions, 3, reservation="booking/R-1")
    assert held["reservations"][0]["held_because"] == "file 2026/17"
    retention.release("booking/R-1")
    assert retention.purge(LATER).openings == 3
    for refused in (retention.release, lambda ref: retention.hold(ref, "x", "y", 1)):
        with pytest.raises(Refused):
            refused("booking/R-1")


def test_what_was_delivered_again_does_not_bring_names_back(rented: Rented):
    Retention(rented.sessions).purge(LATER)
    rented.stored = 0
    rented.deliver()
    assert intact(rented) == 3


def test_figures_outlive_the_visits_they_were_made_from(sessions: Sessions, service: Service):
    rented = Rented(sessions, service)
    share = {"share_group": "choirs"}
    for number in range(12):
        grant = rented.book(f"R-{number}", **share)
        if number < 6:
            rented.write("in", START + number, grant, leaf="opened")
    for _ in range(4):
        rented.write("refused", START, reason="unknown_code")
    rented.write("refused", START, reason="too_early", count=7)
    rented.deliver()
    Visits(sessions).follow(UNTIL + SETTLE_S)
    Retention(sessions).purge(LATER)
    month = datetime.datetime.fromtimestamp(START, datetime.UTC).strftime("%Y-%m")
    with reading(sessions).begin() as session:
        found = {each.name: each.count for each in aggregates.figures(session, [month]) if each.room.endswith("/A")}
    assert found == {
        "used": 6, "no_show": 6, "visits": 12, "refused.unknown_code": None, "refused.too_early": 7,
    }  # fmt: skip


def test_a_small_count_hides_the_total_too():
    shown = aggregates._shown({"used": 20, "no_show": 3})
    assert shown == {"used": 20, "no_show": None, "visits": None}


def test_months_are_calendar_months():
    def at(year: int, month: int, day: int) -> int:
        return int(datetime.datetime(year, month, day, 12, tzinfo=datetime.UTC).timestamp())

    assert months_before(at(2027, 5, 31), 3) == at(2027, 2, 28)
    assert months_before(at(2027, 1, 15), 3) == at(2026, 10, 15)
    assert months_before(at(2026, 11, 30), -3) == at(2027, 2, 28)


@pytest.mark.parametrize("months", [0, 13])
def test_months_have_limits(sessions: Sessions, months: int):
    with pytest.raises(Refused):
        Retention(sessions, months)
