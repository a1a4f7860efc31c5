"""A small town on a real SQLite file, with a seed instead of chance and a list instead of a broker."""

import random
from pathlib import Path
from typing import Any

import pytest

from sync.hub.codes import Randomness
from sync.hub.database import open_database
from sync.hub.keys import Keyring, make_keys
from sync.hub.reservations import Wish
from sync.hub.service import Service
from sync.hub.town import read_town

NOW = 1_784_000_040  # 2026-07-14, on a whole minute
HOUR, DAY = 3_600, 86_400

TOWN = """
[services.culture]
name = "Cultuur"
[services.sport]
name = "Sport"

[clients.booking]
service = "culture"
scopes = ["reservations", "records"]
[clients.club]
service = "sport"

[pin_sets.town]
live = 17
memory_kib = 8      # tests derive a lot and protect nothing
iterations = 1

[buildings.hall]
entrances = ["front"]

[rooms.A]
id = "https://data.example/id/A"
service = "culture"
building = "hall"
doors = ["a-1"]
[rooms.B]
service = "culture"
building = "hall"
doors = ["b-1"]
[rooms.gym]
service = "sport"
building = "hall"
doors = ["gym-1"]
"""
ROOM_A = "https://data.example/id/A"


class Broker:
    """Keeps what was published, while it is `there`."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, bool]] = []
        self.there = True

    def publish(self, topic: str, payload: bytes, retain: bool) -> bool:
        if self.there:
            self.sent.append((topic, payload, retain))
        return self.there

    def take(self) -> list[str]:
        """The topics published since the last call."""
        topics, self.sent = [topic for topic, _, _ in self.sent], []
        return topics


def wish(revision: int = 1, *, rooms=(ROOM_A,), start=NOW + HOUR, until=NOW + 3 * HOUR, **changes) -> Wish:
    members: dict[str, Any] = {
        "state": "active",
        "kind": "renter",
        "windows": ((start, until),),
        "correlation": {},
        "reveal_s": 0,
    }
    return Wish(revision=revision, rooms=rooms, holder={"ref": "h-1", "kind": "person"}, **(members | changes))


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    make_keys(tmp_path / "keys")
    return Keyring.load(tmp_path / "keys")


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def sessions(tmp_path: Path):
    return open_database(f"sqlite:///{tmp_path}/hub.db")


@pytest.fixture
def service(sessions, keyring, broker) -> Service:
    chance = random.Random(7)
    made = Service(sessions, keyring, Randomness(chance.randrange, chance.randbytes))
    made.attach(broker)
    made.apply(read_town(TOWN), NOW)
    broker.take()
    return made
