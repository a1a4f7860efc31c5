"""What the adapters' tests share: rooms, an intake into a real hub, a foreign site."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from sync.hub.adapters.intake import Intake
from sync.hub.adapters.places import Places, places_of
from sync.hub.booking.occurrences import LocalRoom
from tests.sync.hub.adapters.foreign import site
from tests.sync.hub.conftest import ROOM_A

WEEK = {day: [["08:00", "22:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat")}
ROOMS = {
    ROOM_A: LocalRoom("Europe/Brussels", WEEK),
    "B": LocalRoom("Europe/Brussels", {}),
    "perth": LocalRoom("Australia/Perth", WEEK),
}


def at(text: str, zone: str = "Europe/Brussels") -> int:
    """UTC seconds of a local date and time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


@pytest.fixture
def places() -> Places:
    return Places(ROOMS, {"Feestzaal": ROOM_A})


@pytest.fixture
def hub_places(sessions, service):
    return lambda: places_of(sessions, {"Feestzaal": ROOM_A})


@pytest.fixture
def intake(service, sessions) -> Intake:
    return Intake(service, sessions, "booking", "test")


@pytest.fixture
def foreign():
    with site() as made:
        yield made
