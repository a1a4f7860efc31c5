"""Feeds over HTTP: an ETag saves work, a failure wipes nothing, an event or attendee that went is dealt with."""

from dataclasses import replace

import pytest

from sync.hub.adapters.fetch import Fetcher
from sync.hub.adapters.polling import Poller
from sync.hub.adapters.settings import FeedPlan
from tests.sync.hub.adapters.test_ical_feed import calendar, event
from tests.sync.hub.conftest import DAY, NOW

FEED = "/cleaning.ics"


def on(day: int, *lines: str, uid: str | None = None) -> str:
    return event(f"DTSTART:202607{day}T120000Z", f"DTEND:202607{day}T130000Z", *lines, uid=uid or f"{day}@planner")


@pytest.fixture
def poller(intake, hub_places, foreign):
    plan = FeedPlan(client="booking", url=foreign.url + FEED)
    return Poller("cleaning", plan, replace(intake, source="cleaning"), Fetcher(), hub_places)


@pytest.fixture
def poll(poller):
    """Poll, and show what became of what: {ref: result}."""

    def look(now=NOW, **plan):
        poller.plan = FeedPlan(client="booking", url=poller.plan.url, **plan)
        found = poller.poll(now)
        assert found.failure is None, found.failure
        return {outcome.ref: outcome.result for outcome in found.outcomes}

    return look


def state(intake, ref):
    return intake.held()[ref].grant.state


def test_a_feed_is_taken_in_once_and_then_only_when_it_changed(poll, foreign):
    foreign.put(FEED, calendar(on(20)), etag='"1"')
    assert poll() == {"20~40planner": "created"}
    assert poll() == {}
    assert foreign.asked == [(FEED, 200), (FEED, 304)]
    foreign.put(FEED, calendar(on(20, "SEQUENCE:1", "STATUS:TENTATIVE")), etag='"2"')
    assert poll() == {"20~40planner": "changed"}


def test_a_new_day_looks_at_the_same_calendar_again(poll, foreign):
    foreign.put(FEED, calendar(on(20, "RRULE:FREQ=DAILY")), etag='"1"')
    assert poll() == {"20~40planner": "created"}
    assert poll(NOW + DAY) == {"20~40planner": "changed"}
    assert foreign.asked[-1] == (FEED, 304)


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 200), (b"<html>", 200), (calendar(), 200), (b"", 404), (b"oops", 500), (b"", 302), (calendar()[:30], 200)],
)
def test_what_did_not_come_wipes_nothing(poller, poll, intake, foreign, body, status):
    foreign.put(FEED, calendar(on(20), on(21)), etag='"1"')
    poll(missing="cancel")
    foreign.put(FEED, body, status=status)
    found = poller.poll(NOW)
    assert found.failure
    assert found.outcomes == ()
    assert {state(intake, ref) for ref in intake.held()} == {"active"}
    foreign.put(FEED, calendar(on(20), on(21)), etag='"1"')
    assert poll(missing="cancel") == {}, "the good calendar is still known by its ETag"


def test_nobody_there_is_a_failure_too(poller):
    poller.plan = FeedPlan(client="booking", url="http://127.0.0.1:9/feed.ics")
    assert "did not answer" in (poller.poll(NOW).failure or "")


def test_a_changed_then_cancelled_event(poll, intake, foreign):
    foreign.put(FEED, calendar(on(20, "SEQUENCE:1")))
    poll()
    moved = event("DTSTART:20260720T150000Z", "DTEND:20260720T160000Z", "SEQUENCE:2", uid="20@planner")
    foreign.put(FEED, calendar(moved))
    assert poll() == {"20~40planner": "changed"}
    foreign.put(FEED, calendar(on(20, "SEQUENCE:1")))
    assert poll() == {"20~40planner": "older"}
    foreign.put(FEED, calendar(on(20, "SEQUENCE:3", "STATUS:CANCELLED")))
    assert poll() == {"20~40planner": "changed"}
    assert state(intake, "20~40planner") == "cancelled"


def test_an_event_that_left_is_kept_unless_the_feed_says_otherwise(poll, intake, foreign):
    foreign.put(FEED, calendar(on(20), on(21)))
    poll()
    foreign.put(FEED, calendar(on(21)))
    assert "20~40planner" not in poll()
    assert poll(missing="cancel")["20~40planner"] == "changed"
    assert state(intake, "20~40planner") == "cancelled"
    assert state(intake, "21~40planner") == "active"


def test_when_most_of_a_feed_is_gone_nothing_is_cancelled(poller, poll, intake, foreign):
    foreign.put(FEED, calendar(*(on(day) for day in range(16, 26))))
    poll()
    foreign.put(FEED, calendar(on(25)))
    poller.plan = FeedPlan(client="booking", url=poller.plan.url, missing="cancel")
    codes = [outcome.code for outcome in poller.poll(NOW).outcomes]
    assert "feed_shrank" in codes
    assert {state(intake, ref) for ref in intake.held()} == {"active"}


def test_an_attendee_who_is_taken_off_an_event_loses_the_code(poll, intake, foreign):
    people = [f"ATTENDEE:mailto:{name}@example.org" for name in ("an", "bea")]
    foreign.put(FEED, calendar(on(20, *people)))
    made = poll(per_attendee=True)
    assert list(made.values()) == ["created", "created"]
    foreign.put(FEED, calendar(on(20, people[0], "SEQUENCE:1")))
    assert sorted(poll(per_attendee=True).values()) == ["changed", "changed"]
    assert sorted(state(intake, ref) for ref in made) == ["active", "cancelled"]


def test_reservations_of_others_are_left_alone(poll, intake, service, foreign):
    elsewhere = replace(intake, source="other")
    foreign.put(FEED, calendar(on(20)))
    poll()
    before = set(intake.held())
    elsewhere.take([], NOW)
    foreign.put(FEED, calendar(on(21)))
    poll(missing="cancel")
    assert set(intake.held()) > before


def test_a_feed_behind_a_token(poller, foreign, tmp_path):
    (tmp_path / "token").write_text("s3cret\n")
    foreign.token = "s3cret"
    foreign.put(FEED, calendar(on(20)))
    assert "401" in (poller.poll(NOW).failure or "")
    poller.plan = FeedPlan(client="booking", url=foreign.url + FEED, token_file=tmp_path / "token")
    assert poller.poll(NOW).failure is None
