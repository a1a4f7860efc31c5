"""A small town on a real SQLite file, with a seed instead of chance and a list instead of a broker."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from controller.formats import pin
from controller.formats.code_list import CodeList, parse
from controller.formats.envelope import open_envelope
from controller.formats.limits import LIMITS
from controller.formats.state import StateReport
from sync.hub.booking.codes import Randomness
from sync.hub.booking.reservations import Wish
from sync.hub.keys.keyring import Keyring, make_keys
from sync.hub.service import Service
from sync.hub.store.database import open_database
from sync.hub.town.town_file import read_town
from tests.sync.hub.postgresql import Cluster, NoPostgresql, running_cluster

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

[commissioning]
required = false  # nearly no test is about it

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


@pytest.fixture(scope="session")
def town_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keys of the founded towns; a test gets a copy, which it may change."""
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder)
    return folder


@pytest.fixture
def keyring(tmp_path: Path, town_keys: Path) -> Keyring:
    shutil.copytree(town_keys, tmp_path / "keys")
    return Keyring.load(tmp_path / "keys")


@pytest.fixture
def broker() -> Broker:
    return Broker()


# The tests of these modules run on both kinds of database.
BOTH = {
    "test_bulk",
    "test_audit",
    "test_log_storing",
    "test_service",
    "test_codes_and_people",
    "test_calendar",
    "test_happenings",
    "test_several_hubs",
    "test_routes_records",
    "test_list_builder",
    # Of these modules the tests that ask the database most; each database costs half a second.
    "test_report::test_what_is_asked_is_what_is_told",
    "test_report::test_subject_hold_release_purge_and_figures",
    "test_retention::test_subject_access_is_complete_before_and_empty_after",
    "test_retention::test_a_hold_keeps_all_of_it_until_it_is_released",
    "test_retention::test_after_thirteen_months_whole_batches_go_and_the_rest_verifies",
    "test_retention::test_what_was_cancelled_before_it_was_booked_is_forgotten_too",
    "test_retention::test_how_long_records_take_is_shown_for_five_and_more",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What stores something is tried on SQLite and on PostgreSQL."""
    if "kind" in metafunc.fixturenames:
        module = metafunc.module.__name__.rpartition(".")[2]
        both = module in BOTH or f"{module}::{metafunc.function.__name__}" in BOTH
        metafunc.parametrize("kind", ["sqlite", "postgresql"] if both else ["sqlite"], scope="session")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    try:
        with running_cluster() as running:
            yield running
    except NoPostgresql as reason:
        pytest.skip(f"PostgreSQL: {reason}")


class Founded(NamedTuple):
    """A database with the town in it, to be copied, and how the seed went on from there."""

    url: str
    chance: Any


def found_town(url: str, keys: Path) -> Founded:
    """Applying the town takes a third of a second; so each kind of database has it done once."""
    chance = random.Random(7)
    sessions = open_database(url)
    made = Service(sessions, Keyring.load(keys), Randomness(chance.randrange, chance.randbytes))
    made.attach(Broker())
    made.apply(read_town(TOWN), NOW)
    sessions.kw["bind"].dispose()
    return Founded(url, chance.getstate())


@pytest.fixture(scope="session")
def sqlite_town(tmp_path_factory: pytest.TempPathFactory, town_keys: Path) -> Founded:
    return found_town(f"sqlite:///{tmp_path_factory.mktemp('town')}/hub.db", town_keys)


@pytest.fixture(scope="session")
def postgresql_town(cluster: Cluster, town_keys: Path) -> Founded:
    return found_town(cluster.new_database(), town_keys)


@pytest.fixture
def database(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database of the test's own: with the town in it where there is a `service`, else empty."""
    with_town = "service" in request.fixturenames
    town: Founded | None = request.getfixturevalue(f"{kind}_town") if with_town else None
    if kind == "sqlite":
        if town is not None:
            shutil.copy(town.url.removeprefix("sqlite:///"), tmp_path / "hub.db")
        yield f"sqlite:///{tmp_path}/hub.db"
        return
    running: Cluster = request.getfixturevalue("cluster")
    url = running.new_database(like=town.url if town is not None else None)
    yield url
    running.drop(url)


@pytest.fixture
def sessions(database: str):
    made = open_database(database)
    yield made
    made.kw["bind"].dispose()


@pytest.fixture
def service(sessions, keyring, broker, kind, request) -> Service:
    """The hub of the town, which was applied at `NOW`."""
    chance = random.Random()
    chance.setstate(request.getfixturevalue(f"{kind}_town").chance)
    made = Service(sessions, keyring, Randomness(chance.randrange, chance.randbytes))
    made.attach(broker)
    return made


@pytest.fixture
def list_of(service, keyring):
    """The current list of a door, through the gate a door would use."""
    key = keyring.list_key.verify_key

    def opened(door: str) -> CodeList:
        data = service.list_of(door)
        return parse(open_envelope(data, "zs-list-1", {key.thumbprint: key}, max_bytes=LIMITS.envelope_bytes).payload)

    return opened


def report(door: str, version: int, at: int = NOW, **changes) -> StateReport:
    named = "ab" * 32 if version else None
    members: dict[str, Any] = {"clock": "synced", "posture": "controlled", "faults": (), "list_hash": named}
    return StateReport(
        door=door, at=at * 1000, list_version=version, trust_version=1, receipt=0, log="0" * 16, seq=0,
        **(members | changes),
    )  # fmt: skip


def codes_of(answer) -> tuple[str, str]:
    pins = [each.pin for each in answer.credentials if each.pin and not each.duress]
    qrs = [each.qr for each in answer.credentials if each.qr]
    return pins[0], qrs[0]


def opens(code_list: CodeList, clear: str, at: int) -> str | None:
    """The id of the grant that a PIN opens at an instant, by the list alone."""
    verifier = pin.derive(clear, code_list.pin_kdf)
    for grant in code_list.grants:
        known = any(each.verifier == verifier for each in grant.pins)
        if known and grant.active and any(start <= at < until for start, until in grant.windows):
            return grant.id
    return None
