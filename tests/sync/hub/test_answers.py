"""With which codes a door opens by now: what to tell a renter whose door has not heard of the booking yet."""

import pytest

from tests.sync.hub.conftest import DAY, HOUR, NOW, report, wish


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
