"""Updates at the hub: what is offered is what doors will believe, it is told until they heard it, and staff see how far
each is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from typer.testing import CliRunner

from controller.formats.encoding import canonical
from controller.formats.envelope import seal
from controller.formats.errors import Refused
from controller.formats.jwk import SigningKey, make_key
from controller.formats.state import UpdateState
from controller.formats.trust import Trust, TrustKey
from controller.formats.update import UPDATE_TYP
from sync.hub.api import problems
from sync.hub.cli import app
from sync.hub.doors import updates
from sync.hub.doors.package_routes import package_routes
from sync.hub.doors.updates import UpdateDesk
from sync.hub.keys.trust_shelf import TRUST, TrustShelf
from sync.hub.store.database import Sessions, open_database
from sync.hub.store.models import Door
from tests import update_offer
from tests.controller.enrolled_unit import Town
from tests.sync.hub.town_trust import hold_ceremony

NOW = 1_800_000_000
DAY = 86_400
PACKAGE = b"!<arch>\na package\n" * 1000


def manifest(key: SigningKey, **changes: Any) -> bytes:
    return update_offer.manifest(key, PACKAGE, **{"arch": "arm64", "issued": NOW, "expires": NOW + DAY, **changes})


class Hub:
    """A hub's database with two doors, a trust document that names `key`, and a broker that keeps what it is told."""

    def __init__(self, folder: Path) -> None:
        self.sessions: Sessions = open_database(f"sqlite:///{folder}/hub.db")
        with self.sessions.begin() as session:
            session.add_all(Door(id=door, door_group="room:A", salt="A" * 22) for door in ("a-1", "b-1"))
        self.desk = UpdateDesk(self.sessions)
        self.key = make_key()
        self.town = Town()
        self.folder, self.package = folder / "updates", folder / "made.deb"
        self.package.write_bytes(PACKAGE)
        self.retained: dict[str, bytes] = {}
        self.connected = True

    def trust(self, doors: tuple[str, ...] = ("",), **changes: Any) -> Trust:
        named = TrustKey(
            jwk=self.key.verify_key.jwk(), purpose="update", state="active", doors=doors, expires=NOW + DAY
        )
        return self.town.trust(**{"issued": NOW - 60, "expires": NOW + 300 * DAY, "keys": (named,), **changes})

    def offer(self, *doors: str, now: int = NOW, **changes: Any) -> list[str]:
        made = manifest(self.key, **changes)
        return self.desk.offer(self.trust(), made, self.package, self.folder, doors, now)[1]

    def publish(self, name: str, payload: bytes, retain: bool) -> bool:
        assert retain
        if self.connected:
            self.retained[name] = payload
        return self.connected

    def due(self, now: int = NOW) -> set[str]:
        """The topics that were told something now."""
        self.retained.clear()
        with self.sessions.begin() as session:
            assert updates.any_due(session, now) is bool(list(session.scalars(updates._waiting(now))))
            updates.hand_over(session, self.publish, now)
        return set(self.retained)

    def heard(self, door: str, said: UpdateState | None, now: int = NOW) -> None:
        with self.sessions.begin() as session:
            updates.heard(session, door, said, now)

    def stages(self) -> list[tuple[str, str | None]]:
        return [(each.stage, each.reason) for each in self.desk.standings()]


@pytest.fixture
def hub(tmp_path) -> Hub:
    return Hub(tmp_path)


def test_what_is_offered_to_all_reaches_every_door_until_it_was_heard(hub):
    assert hub.offer() == ["a-1", "b-1"]
    assert hub.due() == {"zs/1/a-1/update", "zs/1/b-1/update"}
    assert hub.retained["zs/1/a-1/update"] == manifest(hub.key)
    assert hub.due(NOW + 59) == set()
    hub.heard("a-1", UpdateState(number=7, stage="fetching"), NOW + 10)
    assert hub.due(NOW + 60) == {"zs/1/b-1/update"}, "a broker may forget"
    hub.heard("b-1", UpdateState(number=7, stage="refused", reason="unknown_key"), NOW + 70)
    assert hub.due(NOW + DAY) == set()
    assert hub.stages() == [("fetching", None), ("refused", "unknown_key")]


def test_without_a_broker_it_stays_due(hub):
    hub.offer("a-1")
    hub.connected = False
    assert hub.due() == set()
    hub.connected = True
    assert hub.due(NOW + 1) == {"zs/1/a-1/update"}


def test_each_stage_has_the_time_since_when(hub):
    hub.offer("a-1")
    fetched, installed = UpdateState(number=7, stage="fetched"), UpdateState(number=7, stage="installed")
    for said, at in ((fetched, 20), (fetched, 80), (installed, 90), (installed, 150)):
        hub.heard("a-1", said, NOW + at)
    (standing,) = hub.desk.standings()
    assert (standing.stage, standing.since, standing.wrong) == ("installed", NOW + 90, False)
    hub.heard("a-1", UpdateState(number=6, stage="rolled_back"), NOW + 200)
    assert hub.stages() == [("installed", None)], "what it says of another one is not about this"


def test_a_door_without_an_offer_may_say_what_it_likes(hub):
    hub.heard("a-1", UpdateState(number=3, stage="installed"))
    assert hub.desk.standings() == []


def test_withdrawn_is_told_as_nothing(hub):
    hub.offer()
    hub.due()
    hub.heard("a-1", UpdateState(number=7, stage="fetching"))
    assert hub.desk.withdraw(["a-1"], hub.folder, NOW + 5) == ["a-1"]
    assert hub.due(NOW + 5) == {"zs/1/a-1/update"} and hub.retained["zs/1/a-1/update"] == b""
    assert hub.due(NOW + 65) >= {"zs/1/a-1/update"}, "it still speaks of it"
    hub.heard("a-1", None)
    assert "zs/1/a-1/update" not in hub.due(NOW + 200)
    assert hub.stages()[0] == ("withdrawn", None)
    assert hub.desk.withdraw([], hub.folder, NOW + 300) == ["b-1"]
    assert list(hub.folder.iterdir()) == [], "nobody is offered the package any more"


def test_what_was_installed_stays_installed_when_the_offer_is_withdrawn(hub):
    hub.offer()
    hub.heard("a-1", UpdateState(number=7, stage="installed"))
    hub.desk.withdraw([], hub.folder, NOW + 5)
    assert hub.stages() == [("installed", None), ("withdrawn", None)]


def test_numbers_only_rise_also_after_a_withdrawal(hub):
    hub.offer("a-1")
    hub.offer("a-1")
    assert hub.due() == {"zs/1/a-1/update"}
    for changes in ({"number": 6}, {"number": 7, "version": "0.2.1-1+deb12"}):
        with pytest.raises(Refused, match="update_older"):
            hub.offer("a-1", **changes)
    hub.desk.withdraw([], hub.folder, NOW)
    with pytest.raises(Refused, match="update_older"):
        hub.offer("a-1", number=6)
    assert hub.offer("a-1", number=8) == ["a-1"]


def test_only_what_doors_will_believe_is_offered(hub):
    def offer(made: bytes, trust: Trust, now: int = NOW) -> None:
        hub.desk.offer(trust, made, hub.package, hub.folder, ["a-1"], now)

    stranger = make_key()
    cases = [
        (manifest(stranger), hub.trust(), NOW, "unknown_key"),
        (manifest(hub.key), hub.trust(doors=("b-",)), NOW, "unknown_key"),
        (manifest(hub.key), hub.trust(), NOW + DAY, "unknown_key"),
        (manifest(hub.key, expires=NOW), hub.trust(), NOW, "update_expired"),
        (manifest(hub.key), hub.trust(expires=NOW), NOW, "trust_expired"),
        (seal(canonical({"number": 1}), UPDATE_TYP, hub.key), hub.trust(), NOW, "bad_schema"),
        (manifest(hub.key).replace(b'"payload":"', b'"payload":"A'), hub.trust(), NOW, "bad_signature"),
    ]
    for made, trust, now, code in cases:
        with pytest.raises(Refused) as refused:
            offer(made, trust, now)
        assert refused.value.code == code
    assert hub.desk.standings() == []


def test_the_package_is_the_one_that_was_signed_for_and_others_go(hub):
    hub.package.write_bytes(PACKAGE[:-1] + b"x")
    with pytest.raises(Refused, match="wrong_package"):
        hub.offer()
    assert list(hub.folder.iterdir()) == [] and hub.desk.standings() == []
    hub.package.write_bytes(PACKAGE)
    hub.offer()
    other = PACKAGE + b"x"
    hub.package.write_bytes(other)
    hub.offer("a-1", number=8, sha256=hashlib.sha256(other).hexdigest(), size=len(other))
    assert len(list(hub.folder.iterdir())) == 2, "the other door still wants the first"
    hub.offer("b-1", number=8, sha256=hashlib.sha256(other).hexdigest(), size=len(other))
    assert [path.read_bytes() for path in hub.folder.iterdir()] == [other]


def test_a_door_that_has_gone_hears_nothing(hub):
    hub.offer()
    with hub.sessions.begin() as session:
        session.delete(session.get_one(Door, "a-1"))
    assert hub.due() == {"zs/1/b-1/update"}


def test_a_door_that_is_not_there(hub):
    with pytest.raises(Refused, match="not_found"):
        hub.offer("c-1")


# ---- the package over HTTPS


@pytest.fixture
def served(hub) -> TestClient:
    hub.offer()
    doors = FastAPI()
    problems.install(doors)
    package_routes(doors, hub.folder, at_a_time=1)
    return TestClient(doors)


def test_a_package_is_given_whole_and_from_an_offset(served):
    path = f"/v1/updates/{hashlib.sha256(PACKAGE).hexdigest()}"
    assert served.get(path).content == PACKAGE
    rest = served.get(path, headers={"Range": "bytes=100-"})
    assert (rest.status_code, rest.content) == (206, PACKAGE[100:])
    assert rest.headers["Content-Range"].startswith("bytes 100-")


@pytest.mark.parametrize("name", ["00" * 32, "..%2Fhub.db", "x", ("ab" * 32).upper()])
def test_nothing_else_is_given(served, name):
    answer = served.get(f"/v1/updates/{name}")
    assert answer.status_code in {404, 422} and answer.headers["Content-Type"] == "application/problem+json"


def test_who_comes_when_the_places_are_taken_comes_again(served, monkeypatch):
    path = f"/v1/updates/{hashlib.sha256(PACKAGE).hexdigest()}"
    inner: list[int] = []

    async def meanwhile(_self: object, _scope: object, _receive: object, send: Any) -> None:
        inner.append(TestClient(served.app).get(path).status_code)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with monkeypatch.context() as patched:
        patched.setattr("starlette.responses.FileResponse.__call__", meanwhile)
        assert served.get(path).status_code == 200
    assert inner == [503]
    assert served.get(path).content == PACKAGE, "the place is free again"


# ---- the command


def test_staff_offer_look_and_withdraw(tmp_path, monkeypatch):
    from sync.hub.keys import ceremony
    from tests.sync.hub.conftest import TOWN

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, words, env={"ZS_HUB": str(tmp_path / "hub")})
        assert done.exit_code == code, done.output
        return done.output

    key = make_key()
    (tmp_path / "town.toml").write_text(TOWN)
    run("init", str(tmp_path / "hub"), "--host", "hub.example")
    run("apply", str(tmp_path / "town.toml"))
    authority = (tmp_path / "hub/tls/ca.pem").read_text()
    monkeypatch.setattr("tests.sync.hub.town_trust.online", _with_update_key(key, ceremony))
    monkeypatch.setattr("tests.sync.hub.town_trust.PURPOSES", ("list", "receipt", "command", "collect", "update"))
    step, _ = hold_ceremony(tmp_path / "hub/keys", authority)
    assert TrustShelf(tmp_path / "hub/keys" / TRUST).count() == 1
    (tmp_path / "made.deb").write_bytes(PACKAGE)
    now = step.trust.issued
    (tmp_path / "manifest.json").write_bytes(manifest(key, issued=now, expires=now + DAY))
    assert "no updates" in run("update", "status")
    said = run("update", "offer", str(tmp_path / "manifest.json"), str(tmp_path / "made.deb"), "--door", "a-1")
    assert "0.2.0-1+deb12, number 7: on offer to a-1" in said
    (row,) = json.loads(run("update", "status", "--json"))
    assert (row["door"], row["stage"]) == ("a-1", "offered")
    sessions = open_database(f"sqlite:///{tmp_path}/hub/hub.db")
    with sessions.begin() as session:
        updates.heard(session, "a-1", UpdateState(number=7, stage="rolled_back"), now)
    assert "rolled_back" in run("update", "status", "--json", code=1)
    assert "withdrawn from a-1" in run("update", "withdraw")
    assert "nothing was on offer" in run("update", "withdraw")
    run("update", "offer", str(tmp_path / "made.deb"), str(tmp_path / "made.deb"), code=1)


def _with_update_key(key: SigningKey, ceremony: Any) -> Any:
    from tests.sync.hub import town_trust

    plain = town_trust.online

    def online(keys: Path, purpose: Any, file: Path | None = None) -> Any:
        if purpose == "update":
            return ceremony.OnlineKey(key.verify_key.jwk(), "update")
        return plain(keys, purpose, file)

    return online
