"""Forgetting: names go, the proof stays; figures outlive both."""

from __future__ import annotations

import datetime

import pytest
from sqlalchemy import func, select

from controller.formats.errors import Refused
from sync.hub.audit import aggregates, retention
from sync.hub.audit.export import export
from sync.hub.audit.retention import Retention, months_before
from sync.hub.audit.subject_access import subject_access
from sync.hub.audit.verify import verify
from sync.hub.records.log_store import LogStore
from sync.hub.records.visits import SETTLE_S, Visits
from sync.hub.service import Service
from sync.hub.store.database import Base, Sessions, reading
from sync.hub.store.models import ApiEntry, Reservation
from sync.hub.town.town_file import read_town
from tests.sync.hub.conftest import DAY, NOW, ROOM_A, TOWN, wish
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


def test_what_was_cancelled_before_it_was_booked_is_forgotten_too(sessions: Sessions, service: Service):
    """It has no booked time that could be over; its holder's reference stayed for ever."""
    service.put("booking", "R-1", wish(state="cancelled", windows=(), rooms=()), NOW)
    (told,) = subject_access(sessions, 3, reservation="booking/R-1")["reservations"]
    assert told["forgotten_at"] == "2026-10-14T03:34:00Z"
    assert Retention(sessions).purge(NOW + 80 * DAY).reservations == 0
    assert Retention(sessions).purge(NOW + 100 * DAY).reservations == 1
    with reading(sessions).begin() as session:
        assert session.scalar(select(func.count()).select_from(Reservation)) == 0
        assert session.scalar(select(func.count()).select_from(ApiEntry)) == 0


def test_many_are_forgotten_a_page_at_a_time_and_figures_are_counted_without_the_lock(
    rented: Rented, monkeypatch: pytest.MonkeyPatch
):
    """The purge of a town's day, in one transaction, kept every other writer waiting for minutes."""
    sessions, service = rented.sessions, rented.service
    for number in range(5):
        service.put("booking", f"C-{number}", wish(state="cancelled", windows=(), rooms=()), NOW)
    monkeypatch.setattr(retention, "PAGE_LINKS", 2)
    pages: list[int] = []
    page, during = retention._forget_page, LogStore.during

    def counted(session, grants, before):
        pages.append(len(grants))
        return page(session, grants, before)

    def while_nothing_is_locked(*args):
        with sessions.begin():
            return during(*args)

    monkeypatch.setattr(retention, "_forget_page", counted)
    monkeypatch.setattr(LogStore, "during", while_nothing_is_locked)
    assert Retention(sessions).purge(LATER).reservations == 6
    assert pages == [2, 2, 2]


def test_what_another_hub_counted_before_it_began_to_forget_stays(rented: Rented, monkeypatch: pytest.MonkeyPatch):
    during = LogStore.during

    def overtaken(*args):
        monkeypatch.setattr(LogStore, "during", during)
        Retention(rented.sessions).purge(LATER)
        return iter(())

    monkeypatch.setattr(LogStore, "during", overtaken)
    monkeypatch.setattr(aggregates, "SHOWN_FROM", 1)
    Retention(rented.sessions).purge(LATER)
    shown = {each.name: each.count for each in Retention(rented.sessions).figures("2026-07", [ROOM_A], LATER)}
    assert shown.get(aggregates.RECORDS)


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
        "records": 11, "latency_s.p50": 0, "latency_s.p95": 0,
    }  # fmt: skip


def test_a_small_count_hides_the_total_too():
    shown = aggregates._shown({"used": 20, "no_show": 3})
    assert shown == {"used": 20, "no_show": None, "visits": None}


def test_how_long_records_take_is_shown_for_five_and_more(rented: Rented):
    month = datetime.datetime.fromtimestamp(START, datetime.UTC).strftime("%Y-%m")

    def shown() -> dict[str, int | None]:
        Retention(rented.sessions).count([month], UNTIL)
        with reading(rented.sessions).begin() as session:
            return {each.name: each.count for each in aggregates.figures(session, [month]) if each.room.endswith("/A")}

    assert (shown()["records"], shown()["latency_s.p95"]) == (None, None), "four are too few"
    for _ in range(16):
        rented.write("opened", NOW - 10)
    rented.write("opened", NOW - 3_600)
    rented.deliver()
    found = shown()
    # Four by a clock that is ahead, sixteen of ten seconds, one of an hour.
    assert (found["records"], found["latency_s.p50"], found["latency_s.p95"]) == (21, 10, 10)


def test_a_month_of_which_something_is_forgotten_keeps_what_was_counted(rented: Rented):
    month = datetime.datetime.fromtimestamp(START, datetime.UTC).strftime("%Y-%m")
    retention = Retention(rented.sessions)
    retention.purge(LATER)
    retention.count([month], LATER)
    with reading(rented.sessions).begin() as session:
        assert session.get(aggregates.Aggregate, (ROOM_A, month, "used"))


# ---- what a town decides, and the end of the chain


def test_a_town_decides_after_how_many_months(rented: Rented):
    rented.service.apply(read_town(TOWN + "[retention]\nmonths = 6\n"), NOW)
    assert Retention(rented.sessions).months == 6
    assert Retention(rented.sessions).purge(LATER).openings == 0
    assert Retention(rented.sessions).purge(UNTIL + 200 * DAY).openings == 3
    with pytest.raises(Refused, match="bad_town"):
        read_town(TOWN + "[retention]\nmonths = 13\n")


def test_after_thirteen_months_whole_batches_go_and_the_rest_verifies(rented: Rented):
    """Two batches of then, one of ten months later."""
    rented.write("opened", UNTIL + 60)
    rented.deliver()
    late = UNTIL + 300 * DAY
    rented.write("opened", late)
    rented.write("closed", late + 5)
    rented.deliver()
    retention, store = Retention(rented.sessions), LogStore(rented.sessions)
    assert retention.purge(UNTIL + 390 * DAY).records == 0
    assert retention.purge(UNTIL + 400 * DAY).records == 5
    verdict = verify(export(store, DOOR, rented.log.log), rented.log.signing.verify_key)
    assert (verdict.damage, verdict.first, verdict.last) == (None, 6, 7)
    assert retention.purge(UNTIL + 400 * DAY).records == 0
    rented.stored = 5
    rented.deliver()
    assert len(store.after(0, 99, None)) == 2, "what is sent again does not come back"


def test_a_chain_goes_no_further_than_what_is_on_hold(rented: Rented):
    rented.write("opened", UNTIL + 60)
    rented.deliver()
    retention = Retention(rented.sessions)
    retention.hold("booking/R-1", "file 2026/17", "jdoe", UNTIL)
    assert retention.purge(UNTIL + 500 * DAY).records == 0
    retention.release("booking/R-1")
    assert retention.purge(UNTIL + 500 * DAY).records == 5
    with pytest.raises(Refused, match="no_log"):
        list(export(LogStore(rented.sessions), DOOR, rented.log.log))


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
