"""Who holds a room when: parts and wholes, sharing, series, swaps, closures; on SQLite and PostgreSQL."""

import pytest

from controller.formats.errors import Refused
from sync.hub.booking.closures import Closing
from sync.hub.booking.occurrences import Days, Series
from sync.hub.booking.reservations import Overlap
from sync.hub.town.clients import Caller
from sync.hub.town.town_file import read_town
from tests.sync.hub.conftest import DAY, HOUR, NOW, ROOM_A, TOWN, codes_of, opens, wish

STAFF = Caller("desk", "culture", None, frozenset({"facility"}))
INSIDE = NOW + 2 * HOUR
DIVISIBLE = TOWN + '[rooms.whole]\nservice = "culture"\nbuilding = "hall"\nparts = ["A", "B"]\n'


def test_a_whole_room_and_its_parts_are_rivals(service, list_of):
    """R002-08: half A and the whole overlap; half A and half B do not. The whole's code opens both halves' doors."""
    service.apply(read_town(DIVISIBLE), NOW)
    service.put("booking", "R-a", wish(), NOW)
    service.put("booking", "R-b", wish(rooms=("B",)), NOW)
    with pytest.raises(Overlap) as refused:
        service.put("booking", "R-w", wish(rooms=("whole",)), NOW)
    assert refused.value.reservation in {"R-a", "R-b"}
    whole, _ = service.put("booking", "R-w", wish(rooms=("whole",), start=NOW + 5 * HOUR, until=NOW + 6 * HOUR), NOW)
    assert {each.door for each in whole.openings} == {"front", "a-1", "b-1"}
    for door in ("a-1", "b-1"):
        assert opens(list_of(door), codes_of(whole)[0], NOW + 5 * HOUR) == whole.grant
    with pytest.raises(Overlap):
        service.put("booking", "R-a2", wish(start=NOW + 5 * HOUR, until=NOW + 7 * HOUR), NOW)


def test_a_part_clips_the_whole_in_the_list(service, list_of):
    """R002-01 over the parts of a room: no instant opens for two parties at one door."""
    service.apply(read_town(DIVISIBLE), NOW)
    service.put("booking", "R-a", wish(), NOW)
    whole, _ = service.put("booking", "R-w", wish(rooms=("whole",), start=NOW + 3 * HOUR, until=NOW + 4 * HOUR), NOW)
    windows = sorted(window for grant in list_of("a-1").grants for window in grant.windows)
    assert windows[0][1] == windows[1][0] == NOW + 3 * HOUR
    assert {each.clipped for each in whole.openings if each.door == "b-1"} == {True}


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ('[rooms.whole]\nservice = "culture"\nbuilding = "hall"\n', "[rooms.whole] doors"),
        ('[rooms.whole]\nservice = "culture"\nbuilding = "hall"\nparts = ["nowhere"]\n', "[rooms.whole] parts"),
        ('[rooms.whole]\nservice = "culture"\nbuilding = "hall"\nparts = ["whole"]\n', "[rooms.whole] parts"),
    ],
)
def test_divisible_rooms_that_cannot_be(table, where, kind):
    with pytest.raises(Refused) as refused:
        read_town(TOWN + table)
    assert refused.value.where == where


def test_renters_of_one_share_group_hold_a_room_together(service, list_of):
    """R002-08: they share, a third party does not."""
    one, _ = service.put("booking", "R-1", wish(share_group="fair"), NOW)
    two, _ = service.put("booking", "R-2", wish(share_group="fair"), NOW)
    for other in (None, "market"):
        with pytest.raises(Overlap):
            service.put("booking", "R-3", wish(share_group=other), NOW)
    for each in (one, two):
        assert opens(list_of("a-1"), codes_of(each)[0], INSIDE) == each.grant


def test_a_swap_is_one_transaction(service, list_of, monkeypatch):
    """R004-16: a crash inside leaves exactly one of the two active."""
    displaced, _ = service.put("booking", "R-1", wish(), NOW)
    with pytest.raises(Refused, match="unknown_room"):
        service.swap("booking", "R-1", "R-2", wish(rooms=("nowhere",)), NOW)
    assert service.get("booking", "R-1", NOW).state == "active"
    assert opens(list_of("a-1"), codes_of(displaced)[0], INSIDE) == displaced.grant

    with monkeypatch.context() as patched:

        def crash(*_args: object) -> None:
            raise OSError("power cut")

        patched.setattr("sync.hub.service.note", crash)
        with pytest.raises(OSError, match="power cut"):
            service.swap("booking", "R-1", "R-2", wish(), NOW)
    assert service.get("booking", "R-1", NOW).state == "active"
    new, created = service.swap("booking", "R-1", "R-2", wish(), NOW)
    assert created
    assert service.get("booking", "R-1", NOW).state == "cancelled"
    assert opens(list_of("a-1"), codes_of(new)[0], INSIDE) == new.grant
    assert opens(list_of("a-1"), codes_of(displaced)[0], INSIDE) is None
    again, created = service.swap("booking", "R-1", "R-2", wish(), NOW)
    assert (again.credentials, created) == (new.credentials, False)


def test_a_closure_travels_and_goes_without_new_codes(service, list_of):
    """R004-18, R002-16: at the room's own doors; the entrance stays open; staff are not renters."""
    answer, _ = service.put("booking", "R-1", wish(), NOW)
    closed, created = service.put_closure(STAFF, "C-1", Closing(ROOM_A, NOW, NOW + DAY, "room_not_ready"), NOW)
    assert (closed.hits, created) == (("R-1",), True)
    assert [(each.from_, each.until, each.reason) for each in list_of("a-1").closures] == [
        (NOW, NOW + DAY, "room_not_ready")
    ]
    assert list_of("front").closures == ()
    repeated, created = service.put_closure(STAFF, "C-1", Closing(ROOM_A, NOW, NOW + DAY, "room_not_ready"), NOW)
    assert (repeated, created) == (closed, False)
    service.remove_closure(STAFF, "C-1", NOW + 60)
    assert list_of("a-1").closures == ()
    assert opens(list_of("a-1"), codes_of(answer)[0], INSIDE) == answer.grant
    with pytest.raises(Refused, match="not_found"):
        service.closure(STAFF, "C-1")


def test_a_closed_part_closes_its_door_for_the_whole(service, list_of):
    service.apply(read_town(DIVISIBLE), NOW)
    service.put("booking", "R-w", wish(rooms=("whole",)), NOW)
    closed, _ = service.put_closure(STAFF, "C-1", Closing(ROOM_A, NOW, NOW + DAY, "room_closed"), NOW)
    assert closed.hits == ("R-w",)
    service.put_closure(STAFF, "C-2", Closing("whole", NOW, NOW + DAY, "room_closed"), NOW)
    assert [len(list_of(door).closures) for door in ("a-1", "b-1", "gym-1")] == [1, 1, 0]


@pytest.mark.parametrize(
    ("code", "closing"),
    [
        ("unknown_room", Closing("gym", NOW, NOW + DAY, "room_closed")),
        ("bad_request", Closing(ROOM_A, NOW + DAY, NOW + DAY, "room_closed")),
        ("bad_request", Closing(ROOM_A, NOW - 2 * DAY, NOW - DAY, "room_closed")),
    ],
)
def test_closures_that_are_refused(service, code, closing):
    with pytest.raises(Refused) as refused:
        service.put_closure(STAFF, "C-1", closing, NOW)
    assert refused.value.code == code


def test_a_series_is_expanded_in_the_rooms_zone_and_one_evening_is_left_out(service, list_of):
    """R002-21: one code per series; a higher revision with an exdate cancels one evening."""
    evenings = Series("2026-07-20T20:00", "2026-07-20T22:00", "FREQ=WEEKLY;COUNT=3")
    answer, _ = service.put("booking", "S-1", wish(windows=(), patterns=(evenings,)), NOW)
    starts = sorted({each.start for each in answer.openings if each.door == "a-1"})
    assert [start + 900 for start in starts] == [1784570400 + week * 7 * DAY for week in range(3)]
    assert len(list_of("a-1").grants[0].windows) == 3
    skipping = Series(evenings.start, evenings.end, evenings.rrule, ("2026-07-27",))
    changed, _ = service.put("booking", "S-1", wish(2, windows=(), patterns=(skipping,)), NOW)
    assert len({each.start for each in changed.openings if each.door == "a-1"}) == 2
    assert codes_of(changed) == codes_of(answer)
    assert opens(list_of("a-1"), codes_of(answer)[0], starts[1] + 1_800) is None


def test_a_series_may_not_land_on_somebody(service):
    service.put("booking", "R-1", wish(start=1784570400 + 7 * DAY, until=1784570400 + 7 * DAY + HOUR), NOW)
    evenings = Series("2026-07-20T20:00", "2026-07-20T22:00", "FREQ=WEEKLY;COUNT=3")
    with pytest.raises(Overlap) as refused:
        service.put("booking", "S-1", wish(windows=(), patterns=(evenings,)), NOW)
    assert refused.value.reservation == "R-1"


def test_a_day_without_opening_hours_needs_a_window(service):
    """R000-03."""
    with pytest.raises(Refused, match="window_required"):
        service.put("booking", "D-1", wish(windows=(), patterns=(Days(("2026-07-20",)),)), NOW)
    service.apply(
        read_town(TOWN.replace('doors = ["a-1"]', 'doors = ["a-1"]\nopening_hours.mon = ["08:00-22:00"]')), NOW
    )
    answer, _ = service.put("booking", "D-1", wish(windows=(), patterns=(Days(("2026-07-20",)),)), NOW)
    assert {each.until - each.start for each in answer.openings} == {14 * HOUR + 1_800}


def test_24_months_ahead_is_the_limit(service):
    """R002-26, R002-27."""
    far = NOW + 730 * DAY
    service.put("booking", "R-1", wish(start=far, until=far + HOUR), NOW)
    with pytest.raises(Refused, match="too_far_ahead"):
        service.put("booking", "R-2", wish(start=far + 2 * DAY, until=far + 2 * DAY + HOUR), NOW)
