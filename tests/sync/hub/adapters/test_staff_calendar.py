"""The staff calendar: rooms and times, never a code, a holder or somebody else's ref."""

from icalendar import Calendar

from sync.hub.adapters.entry import Entry
from sync.hub.adapters.ical_feed import Plan, read_feed
from sync.hub.adapters.places import places_of
from sync.hub.adapters.routes import calendar
from sync.hub.store.models import Client
from tests.sync.hub.conftest import DAY, HOUR, NOW, ROOM_A, wish


def shown(sessions, client="booking", now=NOW):
    with sessions.begin() as session:
        caller = session.get_one(Client, client)
    return calendar(sessions, caller, lambda room: room.rpartition("/")[2], now, 30, "nl")


def events(data: bytes):
    return Calendar.from_ical(data).walk("VEVENT")


def test_it_tells_room_time_kind_and_ones_own_ref(service, sessions):
    service.put("booking", "R-1", wish(), NOW)
    (event,) = events(shown(sessions))
    assert event.start.timestamp() == NOW + HOUR
    assert event.end.timestamp() == NOW + 3 * HOUR
    assert (event["SUMMARY"], event["LOCATION"], event["STATUS"]) == ("Verhuurd R-1", "A", "CONFIRMED")


def test_it_holds_no_code_and_no_holder(service, sessions):
    answer, _ = service.put("booking", "R-1", wish(), NOW)
    data = shown(sessions).decode()
    secrets = [text for code in answer.credentials for text in (code.id, code.pin, code.qr) if text]
    assert len(secrets) == 4
    assert [text for text in [*secrets, "h-1"] if text in data] == []


def test_others_see_that_a_room_is_taken_only_where_they_may_know_it(service, sessions):
    service.put("booking", "R-1", wish(), NOW)
    assert events(shown(sessions, "club")) == []


def test_a_change_keeps_the_event_and_raises_its_sequence(service, sessions):
    service.put("booking", "R-1", wish(), NOW)
    (before,) = events(shown(sessions))
    service.put("booking", "R-1", wish(2, start=NOW + DAY, until=NOW + DAY + HOUR), NOW)
    (after,) = events(shown(sessions))
    assert after["UID"] == before["UID"]
    assert (before["SEQUENCE"], after["SEQUENCE"]) == (1, 2)
    service.put("booking", "R-1", wish(3, state="cancelled"), NOW)
    assert [each["STATUS"] for each in events(shown(sessions))] == ["CANCELLED"]


def test_a_revision_that_no_sequence_can_be_is_shown_all_the_same(service, sessions):
    """A revision may be milliseconds since 1970; RFC 5545's integers end before."""
    service.put("booking", "R-1", wish(NOW * 1000), NOW)
    assert [event["SEQUENCE"] for event in events(shown(sessions))] == [2**31 - 1]


def test_our_own_calendar_can_be_read_as_a_feed(service, sessions):
    service.put("booking", "R-1", wish(), NOW)
    places = places_of(sessions, {"A": ROOM_A})
    (entry,) = read_feed(shown(sessions), places, Plan(), NOW)
    assert isinstance(entry, Entry)
    assert entry.windows == ((NOW + HOUR, NOW + 3 * HOUR),)
