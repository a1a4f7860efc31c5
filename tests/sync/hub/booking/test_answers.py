"""With which codes a door opens by now: what to tell a renter whose door has not heard of the booking yet."""

import pytest
from sqlalchemy import select

from controller.formats.jwk import make_key
from sync.hub.booking import reservations
from sync.hub.doors import readiness
from sync.hub.events.hub_events import HubEvent
from sync.hub.store import questions
from sync.hub.town.town_file import read_town
from tests.sync.hub.conftest import DAY, HOUR, NOW, TOWN, report, wish


@pytest.fixture
def doors_had_lists(service, list_of):
    """Every door reported its list before anything was booked."""
    service.due(NOW)
    for door in ("a-1", "front"):
        service.door_reported(door, report(door, list_of(door).version), NOW)


def opens_by(answer) -> dict[str, tuple[str, ...]]:
    return {door: each.opens_by for door, each in answer.delivered.items()}


@pytest.mark.usefixtures("doors_had_lists")
def test_a_last_minute_booking_opens_by_its_qr_until_the_list_is_there(service, list_of):
    answer, _ = service.put("booking", "R-1", wish(start=NOW + 600), NOW)
    assert opens_by(answer) == {"a-1": ("qr",), "front": ("qr",)}
    service.due(NOW + 1)
    service.door_reported("a-1", report("a-1", list_of("a-1").version), NOW + 60)
    assert opens_by(service.get("booking", "R-1", NOW + 60)) == {"a-1": ("pin", "qr"), "front": ("qr",)}


def test_a_door_without_a_list_opens_by_nothing(service):
    answer, _ = service.put("booking", "R-1", wish(), NOW)
    assert opens_by(answer) == {"a-1": (), "front": ()}


@pytest.mark.usefixtures("doors_had_lists")
@pytest.mark.parametrize(
    "wanted",
    [
        wish(start=NOW + 8 * DAY, until=NOW + 8 * DAY + HOUR),  # too far ahead to stand alone
        wish(start=NOW + HOUR, until=NOW + 30 * HOUR),  # too long
        wish(methods=("pin",)),
        wish(kind="cleaning"),
    ],
)
def test_what_cannot_stand_alone_waits_for_the_list(service, wanted):
    answer, _ = service.put("booking", "R-1", wanted, NOW)
    assert opens_by(answer) == {"a-1": (), "front": ()}


@pytest.mark.usefixtures("doors_had_lists")
def test_a_door_whose_list_has_run_out_takes_no_pass(service):
    answer, _ = service.put("booking", "R-1", wish(start=NOW + 30 * DAY, until=NOW + 30 * DAY + HOUR), NOW + 30 * DAY)
    assert opens_by(answer) == {"a-1": (), "front": ()}


@pytest.mark.usefixtures("doors_had_lists")
def test_a_cancelled_booking_opens_by_nothing(service):
    service.put("booking", "R-1", wish(), NOW)
    answer, _ = service.put("booking", "R-1", wish(2, state="cancelled"), NOW)
    assert opens_by(answer) == {"a-1": (), "front": ()}


EVENINGS = tuple((NOW + HOUR + week * 7 * DAY, NOW + 2 * HOUR + week * 7 * DAY) for week in range(2))


@pytest.mark.usefixtures("doors_had_lists")
def test_a_series_opens_by_its_qr_on_its_first_evening_alone(service):
    answer, _ = service.put("booking", "R-1", wish(windows=EVENINGS), NOW)
    assert opens_by(answer) == {"a-1": ("qr",), "front": ("qr",)}
    later = service.get("booking", "R-1", NOW + 3 * HOUR)
    assert opens_by(later) == {"a-1": (), "front": ()}


@pytest.mark.usefixtures("doors_had_lists")
def test_a_moved_booking_opens_by_nothing_and_still_at_its_old_time(service):
    """Its pass says the old time: what the door takes is not what holds, and the answer says both."""
    service.put("booking", "R-1", wish(), NOW)
    answer, _ = service.put("booking", "R-1", wish(2, start=NOW + 5 * HOUR, until=NOW + 6 * HOUR), NOW)
    assert opens_by(answer) == {"a-1": (), "front": ()}
    assert all(each.live_until for each in answer.delivered.values())


@pytest.mark.usefixtures("doors_had_lists")
def test_a_change_before_any_list_says_that_the_pass_is_out(service):
    """The QR left with the first answer; that no list ever held it does not call it back."""
    service.bench.when_lists_are_wanted(lambda _now: None)
    service.put("booking", "R-1", wish(), NOW)
    answer, _ = service.put("booking", "R-1", wish(2, state="cancelled"), NOW)
    assert all(each.live_until for each in answer.delivered.values())


@pytest.mark.usefixtures("doors_had_lists")
def test_a_pass_with_a_key_that_the_door_never_got_opens_nothing(service, list_of):
    """After a theft the group has another key; a door that has been away since does not know it."""
    service.rekey("a-1", NOW + 1)
    answer, _ = service.put("booking", "R-1", wish(), NOW + 2)
    assert opens_by(answer) == {"a-1": (), "front": ("qr",)}
    service.door_reported("a-1", report("a-1", list_of("a-1").version), NOW + 60)
    later, _ = service.put("booking", "R-2", wish(start=NOW + 5 * HOUR, until=NOW + 6 * HOUR), NOW + 61)
    assert opens_by(later) == {"a-1": ("qr",), "front": ("qr",)}


@pytest.mark.usefixtures("doors_had_lists")
def test_a_door_that_moved_to_another_room_has_the_key_of_the_old_one(service):
    other = TOWN.replace('doors = ["b-1"]', 'doors = ["b-1", "a-2"]')
    service.apply(read_town(other), NOW)
    service.door_reported("a-2", report("a-2", service.doors()[1].list_current), NOW)
    service.apply(read_town(TOWN.replace('doors = ["a-1"]', 'doors = ["a-1", "a-2"]')), NOW + 1)
    answer, _ = service.put("booking", "R-1", wish(), NOW + 2)
    assert opens_by(answer)["a-2"] == ()


@pytest.mark.usefixtures("doors_had_lists")
def test_another_unit_holds_nothing_of_what_the_one_before_reported(service, sessions):
    service.enrol("a-1", make_key().verify_key)
    service.door_reported("a-1", report("a-1", service.doors()[0].list_current), NOW)
    service.put("booking", "R-1", wish(), NOW)
    service.door_reported("a-1", report("a-1", service.doors()[0].list_current), NOW)
    assert opens_by(service.get("booking", "R-1", NOW))["a-1"] == ("pin", "qr")
    service.enrol("a-1", make_key().verify_key)
    answer = service.get("booking", "R-1", NOW)
    assert (opens_by(answer)["a-1"], answer.delivered["a-1"].live_until) == ((), None)


def applied(service, door: str, seen: set[int]) -> list[str]:
    """The reservations of which it was told since the last look that `door` has them."""
    with service.bench._sessions.begin() as session:
        events = session.scalars(select(HubEvent).where(HubEvent.type == "delivery.applied", HubEvent.door == door))
        new = [each for each in events if each.cursor not in seen]
        seen |= {each.cursor for each in new}
        return [each.reservation for each in new]


@pytest.mark.usefixtures("doors_had_lists")
def test_a_neighbour_who_costs_a_margin_is_told_to_both(service, list_of):
    """The door goes by the wider margin until it has the list that says otherwise, and the answer does not hide it."""
    seen: set[int] = set()
    service.put("booking", "R-1", wish(start=NOW + 3 * HOUR, until=NOW + 4 * HOUR), NOW)
    for door in ("a-1", "front"):
        service.door_reported(door, report(door, list_of(door).version), NOW)
    assert applied(service, "a-1", seen) == ["R-1"]
    held = list_of("a-1").version
    service.put("booking", "R-2", wish(start=NOW + 2 * HOUR, until=NOW + 3 * HOUR), NOW)
    told = service.get("booking", "R-1", NOW).delivered
    assert (told["a-1"].status, told["front"].status) == ("queued", "applied")
    assert told["a-1"].live_until == held + 21 * DAY
    (late,) = {
        (each.reservation, each.door)
        for each in service.bench.look(lambda session: readiness.late(session, NOW + 3 * HOUR))
        if each.reservation == "R-1"
    }
    assert late == ("R-1", "a-1")
    service.door_reported("a-1", report("a-1", list_of("a-1").version), NOW + 60)
    assert service.get("booking", "R-1", NOW).delivered["a-1"].live_until is None
    assert sorted(applied(service, "a-1", seen)) == ["R-1", "R-2"]


@pytest.mark.usefixtures("doors_had_lists")
def test_a_pass_that_is_wider_than_what_holds_is_told(service):
    """Both booked before any list: the first one's QR says the margin that the second one took."""
    service.bench.when_lists_are_wanted(lambda _now: None)
    service.put("booking", "R-1", wish(start=NOW + 3 * HOUR, until=NOW + 4 * HOUR), NOW)
    assert service.get("booking", "R-1", NOW).delivered["a-1"].live_until is None
    service.put("booking", "R-2", wish(start=NOW + 2 * HOUR, until=NOW + 3 * HOUR), NOW)
    told = service.get("booking", "R-1", NOW).delivered["a-1"]
    assert (told.opens_by, told.live_until is not None) == (("qr",), True)


def test_a_week_that_comes_over_the_horizon_is_no_change(service, list_of):
    """A list looks three weeks ahead; what comes nearer was never at the door in another way."""
    weeks = tuple((NOW + HOUR + week * 7 * DAY, NOW + 2 * HOUR + week * 7 * DAY) for week in range(8))
    service.put("booking", "R-1", wish(windows=weeks), NOW)
    service.door_reported("a-1", report("a-1", list_of("a-1").version), NOW)
    service.due(NOW + 8 * DAY)
    assert list_of("a-1").issued == NOW + 8 * DAY
    assert service.get("booking", "R-1", NOW + 8 * DAY).delivery["a-1"] == "applied"


def test_what_a_transaction_knows_of_openings_ends_with_a_change(service):
    service.put("booking", "R-1", wish(), NOW)

    def work(minter):
        reservation = questions.reservation_of(minter.session, "booking", "R-1")
        before = minter.openings_of(reservation.grant)
        assert minter.openings_of(reservation.grant) is before
        minter.ask_for_lists(reservations.cancel(minter.session, reservation, NOW))
        return before, minter.openings_of(reservation.grant)

    before, after = service.bench.run(NOW, work)
    assert {each.door for each in before} == {"a-1", "front"}
    assert after == []
