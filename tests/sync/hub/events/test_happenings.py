"""What the hub tells by itself, each thing once; doors that are ready or not; policies by date; what needs a person."""

import pytest

from controller.formats.errors import Refused
from controller.formats.jwk import make_key
from sync.hub import upkeep
from sync.hub.booking import rotation
from sync.hub.booking.closures import Closing
from sync.hub.events.feed import Feed
from sync.hub.records.log_store import LogStore
from sync.hub.town.clients import Caller
from sync.hub.town.town_file import read_town
from tests.sync.hub.conftest import DAY, HOUR, NOW, ROOM_A, TOWN, report, wish
from tests.sync.hub.rented import START, UNTIL, Rented

BOOKER = Caller("booking", "culture", None, frozenset({"reservations"}))
STAFF = Caller("desk", "culture", None, frozenset({"facility", "rooms"}))
SPORT = Caller("club", "sport", None, frozenset({"reservations", "rooms", "facility"}))


@pytest.fixture
def told(service, sessions):
    """The types a caller is told, by default the owner of the reservations."""
    feed = Feed(service, LogStore(sessions))

    def types(caller=BOOKER, prefix="") -> list[str]:
        return [each.type for each in feed.page(caller, 0, 500)[0] if each.type.startswith(prefix)]

    return types


def test_the_life_of_a_reservation_is_told_once_each(service, told, list_of):
    """R004-26: two triggers, `grant.activated` and `credential.ready`, once per revision."""
    later = wish(start=NOW + 5 * DAY, until=NOW + 5 * DAY + HOUR, reveal_s=2 * DAY)
    service.put("booking", "R-1", later, NOW)
    service.put("booking", "R-1", later, NOW)
    assert told() == ["grant.activated"]
    service.due(NOW + 3 * DAY - 1)
    assert told(prefix="credential") == []
    service.due(NOW + 3 * DAY)
    service.due(NOW + 3 * DAY + 1)
    assert told(prefix="credential") == ["credential.ready"]
    service.door_reported("a-1", report("a-1", list_of("a-1").version), NOW + 3 * DAY)
    service.door_reported("a-1", report("a-1", list_of("a-1").version), NOW + 3 * DAY + 60)
    assert told(prefix="delivery.applied") == ["delivery.applied"]
    service.rotate("booking", "R-1", NOW + 4 * DAY)
    assert told(prefix="credential")[1:] == ["credential.rotated", "credential.ready"]
    service.due(NOW + 6 * DAY)
    service.due(NOW + 7 * DAY)
    assert told(prefix="grant") == ["grant.activated", "grant.ended"]
    assert told(SPORT, prefix="grant") == told(SPORT, prefix="credential") == []


def test_what_happens_while_a_page_is_read_is_in_the_next(service, sessions, monkeypatch):
    """A page is asked in two questions: an event stored between them was passed over for ever, when a door's record
    that came after it was found by the second."""
    rented = Rented(sessions, service)
    reader = Caller("booking", "culture", None, frozenset({"reservations", "records"}))
    store = LogStore(sessions)
    feed = Feed(service, store)
    rented.book()
    before, cursor = feed.page(reader, 0, 500)
    grant = before[0].grant
    after = LogStore.after

    def late(*args):
        monkeypatch.setattr(LogStore, "after", after)
        service.put("booking", "R-1", wish(2, start=START, until=UNTIL, methods=("pin",)), NOW)
        rented.write("in", START, grant, leaf="opened")
        rented.deliver()
        return after(*args)

    monkeypatch.setattr(LogStore, "after", late)
    found, cursor = feed.page(reader, cursor, 500)
    found += feed.page(reader, cursor, 500)[0]
    assert [each.type for each in found] == ["grant.changed", "access.in"]


def test_a_clock_that_was_ahead_puts_off_nothing(service, told, monkeypatch):
    """What is done every so often was not done again until the clock came by there once more; codes that ended until
    then stayed in their doors' lists."""
    looked: list[tuple[int, int]] = []

    def ended(_session, after, now):
        looked.append((after, now))
        return set()

    monkeypatch.setattr(rotation, "ended_since", ended)
    service.due(NOW + 365 * DAY)
    service.due(NOW)
    service.put("booking", "R-1", wish(), NOW)
    service.due(NOW + 4 * HOUR)
    assert told(prefix="grant.ended") == ["grant.ended"]
    assert (NOW, NOW + 4 * HOUR) in looked
    assert all(after <= now for after, now in looked)


def test_pending_waits_and_approval_after_the_start_works(service, told, list_of):
    """R000-10, R002-20: pending holds nothing; late approval opens the rest of the time."""
    service.put("booking", "R-1", wish(state="pending"), NOW)
    assert list_of("a-1").grants == ()
    service.put("booking", "R-1", wish(2), NOW + 2 * HOUR)
    assert told(prefix="grant") == ["grant.changed", "grant.activated"]
    assert list_of("a-1").grants[0].windows[0][1] == NOW + 3 * HOUR + 900


def test_the_same_cursor_gives_the_same_events(service, sessions):
    """R001-07: replay from any cursor gives identical ids, and none is missing."""
    for number in range(5):
        start = NOW + number * DAY + HOUR
        service.put("booking", f"R-{number}", wish(start=start, until=start + HOUR), NOW)
    feed = Feed(service, LogStore(sessions))
    everything = feed.page(BOOKER, 0, 500)[0]
    paged, cursor = [], 0
    while page := feed.page(BOOKER, cursor, 3)[0]:
        paged += page
        cursor = page[-1].cursor
    assert paged == everything
    assert len({each.id for each in everything}) == len(everything) == 10


def test_a_closure_tells_the_owner_of_every_reservation_it_hits(service, told):
    """R002-16."""
    service.put("booking", "R-1", wish(), NOW)
    service.put_closure(STAFF, "C-1", Closing(ROOM_A, NOW, NOW + DAY, "room_not_ready"), NOW)
    assert told(prefix="room") == ["room.closed", "room.closed"]  # the room's, and the reservation's
    assert told(STAFF, prefix="room") == ["room.closed"]


def _make_ready(service, list_of, door: str, at: int, **changes) -> None:
    service.enrol(door, make_key().verify_key)
    service.door_reported(door, report(door, list_of(door).version, at, **changes), at)


@pytest.mark.parametrize(
    ("condition", "changes", "later"),
    [
        ("online", {}, 181),
        ("clock", {"clock": "floor"}, 0),
        ("clock_offset", {"at": NOW - 120}, 0),
        ("faults", {"faults": ("keypad", "tamper")}, 0),
        ("posture", {"posture": "lockdown"}, 0),
        ("list_current", {"version": 1}, 200),
        ("list_fresh", {"version": NOW - 20 * DAY}, 0),
        ("enrolled", {}, 0),
    ],
)
def test_every_red_condition_is_named(service, list_of, condition, changes, later):
    """R000-05: one line, green or red with what is wrong."""
    if condition != "enrolled":
        service.enrol("a-1", make_key().verify_key)
    service.due(NOW)
    members = dict(changes)
    version, at = members.pop("version", list_of("a-1").version), members.pop("at", NOW)
    service.door_reported("a-1", report("a-1", version, at, **members), NOW)
    state = service.door_readiness(STAFF, "a-1", NOW + later)
    assert not state.ready
    assert condition in {check.condition for check in state.checks if not check.ok}
    assert f"{condition} (" in state.line


def test_a_ready_door_is_green_and_changes_are_told(service, list_of, told):
    """R000-05, R000-06: `door.ready` and `door.not_ready`, per room, once per change."""
    _make_ready(service, list_of, "a-1", NOW)
    assert service.door_readiness(STAFF, "a-1", NOW).line == "green"
    for at in (NOW, NOW + 30, NOW + 300, NOW + 330):
        service.due(at)
    events = told(STAFF, prefix="door")
    assert events.count("door.ready") == 1
    assert events[-1] == "door.not_ready"


def test_what_changed_at_many_doors_is_told_in_turns(service, list_of, told, monkeypatch):
    monkeypatch.setattr(upkeep, "WATCH_DOORS", 1)
    for door in ("front", "a-1"):
        _make_ready(service, list_of, door, NOW)
    counts = []
    for at in range(NOW, NOW + 120, 20):
        service.due(at)
        counts.append(len(told(STAFF, prefix="door.")))
    assert 0 < counts[0] < counts[1] < counts[2], "a look, a door"
    assert told(STAFF, prefix="door.ready") == ["door.ready"] * 3, "one for each room behind a door"


def test_a_room_is_occupied_closed_or_free(service, list_of):
    """R002-28: without identities."""
    for door in ("front", "a-1"):
        _make_ready(service, list_of, door, NOW)
    service.put("booking", "R-1", wish(), NOW)
    for door in ("front", "a-1"):
        service.door_reported(door, report(door, list_of(door).version, NOW + 60), NOW + 60)
    now = service.room_status(STAFF, ROOM_A, NOW + 60)
    assert (now.ready, now.occupied, now.closed, now.next_start) == (True, False, None, NOW + HOUR)
    assert service.room_status(STAFF, ROOM_A, NOW + 2 * HOUR).occupied
    service.put_closure(STAFF, "C-1", Closing(ROOM_A, NOW, NOW + DAY, "room_closed"), NOW)
    assert service.room_status(STAFF, ROOM_A, NOW + 60).closed == "room_closed"
    with pytest.raises(Refused, match="unknown_room"):
        service.room_status(SPORT, ROOM_A, NOW)
    with pytest.raises(Refused, match="not_found"):
        service.door_readiness(SPORT, "a-1", NOW)


def test_a_reservation_its_door_does_not_hold_an_hour_before_is_in_the_list(service, list_of, told):
    """R002-33: humans handle exceptions from one list."""
    service.put("booking", "R-1", wish(start=NOW + 2 * HOUR, until=NOW + 3 * HOUR), NOW)
    service.due(NOW)
    assert service.exceptions(STAFF, NOW)[0] == []
    service.due(NOW + HOUR)
    late, red = service.exceptions(STAFF, NOW + HOUR)
    assert [(each.reservation, each.door) for each in late] == [("R-1", "a-1"), ("R-1", "front")]
    assert {each.door for each in red} == {"a-1", "b-1", "front"}
    service.due(NOW + HOUR + 60)
    assert told(prefix="delivery.stale") == ["delivery.stale", "delivery.stale"]
    for door in ("front", "a-1"):
        service.door_reported(door, report(door, list_of(door).version), NOW + HOUR)
    assert service.exceptions(STAFF, NOW + HOUR)[0] == []
    assert service.exceptions(SPORT, NOW + HOUR)[0] == []


def test_a_policy_holds_from_its_date_and_is_readable_afterwards(service, list_of, told):
    """R001-11: an effective date and a decision; a past instant shows what held then."""
    decision = '[decision]\neffective = 2026-08-01\nreference = "https://data.example/besluit/7"\n'
    changed = TOWN.replace('doors = ["a-1"]', 'doors = ["a-1"]\nmargin_before_min = 30\npolicy = { release_s = 9 }')
    august = 1785542400
    changes = service.apply(read_town(changed + decision), NOW)
    assert {(each.what, each.fields.get("since")) for each in changes} == {("policy_versions", august)}
    assert service.apply(read_town(changed + decision), NOW) == []
    assert list_of("a-1").policy.release_s == 5
    service.due(august - 1)
    assert list_of("a-1").policy.release_s == 5
    service.due(august)
    assert list_of("a-1").policy.release_s == 9
    assert told(STAFF, prefix="policy") == ["policy.changed", "policy.changed"]

    def margin(at: int) -> tuple[int, str | None]:
        (found,) = [each for each in service.policies(STAFF, ROOM_A, at) if each.subject == f"room {ROOM_A}"]
        return found.content["before_s"], found.decision

    assert margin(NOW + 60) == (900, None)
    assert margin(august) == (1_800, "https://data.example/besluit/7")


def test_an_owner_sees_references_and_times(service):
    """R000-08: its own rooms, never a code, nothing else exists."""
    town = TOWN.replace('doors = ["b-1"]', 'doors = ["b-1"]\nowner = "parish"')
    service.apply(read_town(town), NOW)
    owner = Caller("verger", "culture", "parish", frozenset({"rooms"}))
    service.put("booking", "R-1", wish(rooms=("B",)), NOW)
    (booked,) = service.booked(owner, "B", NOW, NOW + DAY)
    assert (booked.reservation, booked.start) == ("R-1", NOW + HOUR)
    with pytest.raises(Refused, match="unknown_room"):
        service.booked(owner, ROOM_A, NOW, NOW + DAY)
    assert service.door_readiness(owner, "b-1", NOW).door == "b-1"
    with pytest.raises(Refused, match="not_found"):
        service.door_readiness(owner, "a-1", NOW)


def test_the_hubs_own_events_stay_for_30_days(service, told):
    """X-06: they link reservations to grants, so they do not stay for ever."""
    service.put("booking", "R-1", wish(), NOW)
    service.due(NOW + 29 * DAY)
    assert "grant.activated" in told()
    service.due(NOW + 31 * DAY)
    assert told(prefix="grant") == ["grant.ended"]
