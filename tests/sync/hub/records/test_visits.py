"""Visits: from records to who used what they had booked, and again when records come late."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from controller.formats.event import parse_event
from sync.hub.chores import Chores
from sync.hub.events.hub_events import HubEvent
from sync.hub.records.visits import LATE_S, SETTLE_S, UsageFacts, Visit, Visits, _count, _count_unnamed, facts
from sync.hub.service import Service
from sync.hub.store.database import Sessions
from tests.sync.hub.conftest import HOUR, wish
from tests.sync.hub.rented import START, UNTIL, Rented

OVER = UNTIL + SETTLE_S


@pytest.fixture
def rented(sessions: Sessions, service: Service) -> Rented:
    return Rented(sessions, service)


def told_by(visits: Visits, now: int) -> list[UsageFacts]:
    return visits.follow_page(now)[0]


def facts_of(rented: Rented, ref: str = "R-1") -> UsageFacts:
    (found,) = Visits(rented.sessions).of_reservation("booking", ref)
    return found


def test_a_visit_has_its_first_in_and_last_out(rented: Rented):
    grant = rented.book()
    rented.write("granted", START - 600, grant)
    rented.write("in", START - 595, grant, leaf="opened")
    rented.write("in", START + 3600, grant, leaf="opened")
    rented.write("out", UNTIL + 300, grant, by="sign_out", attribution="explicit")
    rented.deliver()
    visits = Visits(rented.sessions)
    assert told_by(visits, UNTIL) == [], "not before the time is over"
    (ended,) = told_by(visits, OVER)
    assert (ended.revision, ended.used, ended.first_in, ended.last_out) == (1, True, START - 595, UNTIL + 300)
    assert (ended.minutes_early, ended.minutes_late, ended.entries) == (9, 5, 2)
    assert (ended.attribution, ended.certain, ended.held_open) == ("explicit", True, 0)
    assert facts_of(rented) == ended
    assert told_by(visits, OVER + 1) == [], "told once"


def test_the_owner_is_told_once_and_again_when_it_changes(rented: Rented):
    grant = rented.book()
    chores = Chores(rented.sessions, clock=lambda: OVER)
    chores.turn()
    chores.turn()
    rented.write("in", START, grant, leaf="opened")
    rented.deliver()
    chores.turn()
    with rented.sessions.begin() as session:
        found = session.scalars(select(HubEvent).filter_by(type="visit.ended").order_by(HubEvent.cursor)).all()
    assert [(each.reservation, each.detail["revision"], each.detail["used"]) for each in found] == [
        ("R-1", 1, False),
        ("R-1", 2, True),
    ]


def test_nobody_came(rented: Rented):
    rented.book()
    visits = Visits(rented.sessions)
    (ended,) = told_by(visits, OVER)
    assert (ended.used, ended.first_in, ended.revision) == (False, None, 1)
    assert told_by(visits, OVER + 60) == []


def test_a_late_record_corrects_what_was_told(rented: Rented):
    grant = rented.book()
    visits = Visits(rented.sessions)
    (told,) = told_by(visits, OVER)
    rented.write("in", START + 60, grant, leaf="opened")
    rented.deliver()
    (corrected,) = told_by(visits, OVER + 2 * 86_400)
    assert corrected.id == told.id
    assert (corrected.revision, corrected.used) == (2, True)
    rented.write("in", START + 120, grant, leaf="opened")
    rented.deliver()
    assert told_by(visits, OVER + 2 * 86_400) == [], "one more entry changes no fact that was told"
    assert facts_of(rented).entries == 2


def test_an_out_that_is_nobodys_ends_the_visit_as_none(rented: Rented):
    grant = rented.book()
    rented.write("in", START, grant, leaf="opened")
    rented.write("out", UNTIL - 60, by="button", attribution="none")
    rented.write("held_open", UNTIL - 30)
    rented.deliver()
    Visits(rented.sessions).follow(OVER)
    known = facts_of(rented)
    assert (known.last_out, known.attribution, known.held_open) == (UNTIL - 60, "none", 1)


def test_somebody_elses_out_before_the_first_in_is_not_theirs(rented: Rented):
    grant = rented.book()
    rented.write("out", START - 300, by="button", attribution="none")
    rented.write("in", START, grant, leaf="opened")
    rented.deliver()
    Visits(rented.sessions).follow(OVER)
    assert facts_of(rented).last_out is None


def test_a_door_without_a_contact_counts_who_was_let_in(rented: Rented):
    rented.write("granted", START, rented.book(), contact="none")
    rented.deliver()
    Visits(rented.sessions).follow(OVER)
    assert facts_of(rented).used


def test_being_let_in_and_not_entering_is_no_visit(rented: Rented):
    grant = rented.book()
    rented.write("granted", START, grant)
    rented.write("no_entry", START + 10, grant)
    rented.deliver()
    Visits(rented.sessions).follow(OVER)
    assert not facts_of(rented).used


def test_a_clock_that_was_not_trusted_makes_it_uncertain(rented: Rented):
    grant = rented.book()
    rented.write("in", START, grant)
    rented.log.events[-1] = rented.log.events[-1].replace(b'"clock":"synced"', b'"clock":"floor"')
    rented.log.hashes.pop()
    data, opening = rented.log.events.pop(), rented.log.openings.pop()
    rented.log.append(data, opening)
    rented.deliver()
    Visits(rented.sessions).follow(OVER)
    assert not facts_of(rented).certain


def test_each_booked_time_is_a_visit_and_a_record_goes_to_the_nearest(rented: Rented):
    weekly = tuple((START + week * 6 * HOUR, UNTIL + week * 6 * HOUR) for week in range(3))
    grant = rented.service.put("booking", "R-9", wish(windows=weekly), START - HOUR)[0].grant
    rented.write("in", START + 6 * HOUR - 300, grant, leaf="opened")
    rented.deliver()
    Visits(rented.sessions).follow(OVER + 12 * HOUR)
    found = Visits(rented.sessions).of_reservation("booking", "R-9")
    assert [each.used for each in found] == [False, True, False]


def test_a_record_far_outside_belongs_to_no_visit(rented: Rented):
    grant = rented.book()
    rented.write("in", UNTIL + LATE_S, grant, leaf="opened")
    rented.deliver()
    Visits(rented.sessions).follow(UNTIL + LATE_S + SETTLE_S)
    assert not facts_of(rented).used


def test_a_cancelled_reservation_has_no_visit(rented: Rented):
    rented.book()
    rented.service.put("booking", "R-1", wish(2, state="cancelled"), START - HOUR)
    assert told_by(Visits(rented.sessions), OVER) == []


@given(seed=st.integers(0, 1 << 32))
def test_the_order_of_arrival_does_not_matter(seed: int):
    """The logs of several doors arrive in any order; here the records of one are read in a shuffled order."""
    chance = random.Random(seed)
    rented = Rented(None, None)  # type: ignore[arg-type]
    for at in sorted(chance.sample(range(START, UNTIL), 8)):
        kind = chance.choice(["in", "out", "held_open"])
        named = "g1" if kind == "in" or (kind == "out" and chance.random() < 0.5) else None
        rented.write(kind, at, named, **({"attribution": "explicit" if named else "none"} if kind == "out" else {}))  # type: ignore[arg-type]

    def folded(order: list[int]) -> UsageFacts:
        visit = Visit(id="v", grant_id="g1", room="A", start=START, until=UNTIL)
        visit.entries, visit.held_open, visit.clock_doubtful, visit.revision = 0, 0, False, 0
        for index in order:
            event = parse_event(rented.log.events[index])
            (_count if rented.log.openings[index] else _count_unnamed)(visit, event)
        return facts(visit)

    order = list(range(8))
    straight = folded(order)
    chance.shuffle(order)
    assert folded(order) == straight
