"""An update on its way: from an offer on the topic to the one-shot's spool, through whatever goes wrong between."""

from __future__ import annotations

import hashlib
import json
import random
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import wait
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.formats.encoding import canonical
from controller.formats.envelope import seal
from controller.formats.errors import Refused
from controller.formats.jwk import make_key
from controller.formats.state import UpdateState
from controller.formats.update import MANIFEST_BYTES, UPDATE_TYP, Update
from sync.agent import fetch as fetching
from sync.agent import updates as agent_updates
from sync.agent.fetch import RESERVE_BYTES, GivenUp, Source, fetch
from sync.agent.spool import Offer, Spool
from sync.agent.updates import Machine, Updates
from sync.hub.ca import make_tls
from tests.sync.hub.enrolling import NOW

PACKAGE = random.Random(7).randbytes(3 * fetching.CHUNK_BYTES + 17)
KEY = make_key()
HERE = Machine("12", "amd64")
PLENTY = 1 << 40


def update(package: bytes = PACKAGE, **changes: Any) -> Update:
    fields: dict[str, Any] = {
        "package": "zaalsleutel-door",
        "version": "0.2.0-1+deb12",
        "number": 7,
        "debian": "12",
        "arch": "amd64",
        "sha256": hashlib.sha256(package).hexdigest(),
        "size": len(package),
        "issued": 1_800_000_000,
        "expires": 1_900_000_000,
    }
    return Update(**{**fields, **changes})


def manifest(package: bytes = PACKAGE, **changes: Any) -> bytes:
    return seal(canonical(update(package, **changes)), UPDATE_TYP, KEY)


class Hub:
    """An HTTPS server that gives `packages`; `cut_after` breaks off there once, `says` answers that status instead,
    `ranges` false knows no offsets. `asked` has the offsets that were asked for."""

    def __init__(self, folder: Path) -> None:
        make_tls(folder, ["localhost"], NOW)
        self.packages = {hashlib.sha256(PACKAGE).hexdigest(): PACKAGE}
        self.cut_after: int | None = None
        self.says: int | None = None
        self.ranges = True
        self.asked: list[int] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "broker.pem", folder / "broker.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.source = Source(f"localhost:{self._server.server_port}", (folder / "ca.pem").read_text())

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        offset = int(request.headers["Range"].removeprefix("bytes=").rstrip("-"))
        self.asked.append(offset)
        package = self.packages.get(request.path.rpartition("/")[2])
        if self.says or package is None:
            request.send_error(self.says or 404)
            return
        body = package[offset if self.ranges else 0 :]
        request.send_response(206 if self.ranges else 200)
        request.send_header("Content-Length", str(len(body)))
        if self.ranges:
            request.send_header("Content-Range", f"bytes {offset}-{len(package) - 1}/{len(package)}")
        request.end_headers()
        cut, self.cut_after = self.cut_after, None
        request.wfile.write(body[:cut])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Hub]:
    hub = Hub(tmp_path_factory.mktemp("tls"))
    yield hub
    hub.close()


@pytest.fixture
def hub(server):
    server.cut_after, server.says, server.ranges = None, None, True
    server.asked.clear()
    server.packages = {hashlib.sha256(PACKAGE).hexdigest(): PACKAGE}
    return server


def take(hub: Hub, part: Path, wanted: Update | None = None, room: int = PLENTY, going_on: bool = True) -> None:
    fetch(hub.source, wanted or update(), part, lambda: room, lambda: going_on)


# ---- one package


def test_a_package_is_fetched_whole(hub, tmp_path):
    take(hub, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == PACKAGE
    take(hub, tmp_path / "part")
    assert hub.asked == [0], "what is there is not fetched again"


@pytest.mark.parametrize("ranges", [True, False], ids=["goes on", "starts again"])
def test_after_a_cut_it_comes_to_an_end_all_the_same(hub, tmp_path, ranges):
    hub.cut_after, hub.ranges = fetching.CHUNK_BYTES + 5, ranges
    with pytest.raises(Refused, match="unreachable"):
        take(hub, tmp_path / "part")
    kept = (tmp_path / "part").stat().st_size
    assert kept >= fetching.CHUNK_BYTES
    take(hub, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == PACKAGE
    assert hub.asked == [0, kept]


def test_another_package_than_was_signed_for_is_not_kept(hub, tmp_path):
    hub.packages = {update().sha256: PACKAGE[:-1] + b"x"}
    with pytest.raises(Refused, match="wrong_package"):
        take(hub, tmp_path / "part")
    assert not (tmp_path / "part").exists()


def test_what_was_kept_is_looked_at_too(hub, tmp_path):
    (tmp_path / "part").write_bytes(b"\0" * fetching.CHUNK_BYTES)
    with pytest.raises(Refused, match="wrong_package"):
        take(hub, tmp_path / "part")
    take(hub, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == PACKAGE


def test_no_byte_more_than_was_signed_for_is_written(hub, tmp_path):
    short = update(PACKAGE[:1000])
    hub.packages = {short.sha256: PACKAGE}
    (tmp_path / "part").write_bytes(PACKAGE)
    take(hub, tmp_path / "part", short)
    assert (tmp_path / "part").read_bytes() == PACKAGE[:1000]


def test_a_disk_that_fills_up_is_left_its_reserve(hub, tmp_path):
    with pytest.raises(Refused, match="disk_full"):
        take(hub, tmp_path / "part", room=RESERVE_BYTES - 1)
    assert (tmp_path / "part").stat().st_size == 0


@pytest.mark.parametrize(
    ("status", "code"), [(503, "busy"), (404, "not_found"), (500, "hub_failed"), (301, "hub_failed")]
)
def test_what_the_hub_refuses(hub, tmp_path, status, code):
    (tmp_path / "part").write_bytes(PACKAGE[:100])
    hub.says = status
    with pytest.raises(Refused, match=code):
        take(hub, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == PACKAGE[:100]


def test_a_hub_that_nobody_vouches_for_gets_no_connection(hub, tmp_path):
    make_tls(tmp_path, ["localhost"], NOW)
    for authorities, code in (
        ((tmp_path / "ca.pem").read_text(), "unreachable"),
        ("", "no_authority"),
        ("x", "no_auth"),
    ):
        with pytest.raises(Refused, match=code):
            fetch(Source(hub.source.hub, authorities), update(), tmp_path / "part", lambda: PLENTY, lambda: True)
    assert hub.asked == []


def test_what_nobody_wants_any_more_is_left(hub, tmp_path):
    with pytest.raises(GivenUp):
        take(hub, tmp_path / "part", going_on=False)


# ---- the agent's part


class Unit:
    """An agent's updates and what a controller heard of them; `dropped` is what the one-shot would find."""

    def __init__(self, folder: Path, hub: Hub, machine: Machine = HERE) -> None:
        self.folder, self.hub, self.now_s = folder / "update", hub, 0.0
        self.result = folder / "result.json"
        self.machine = machine
        self.restart()

    def restart(self) -> None:
        self.updates = Updates(Spool(self.folder), self.result, self.machine)
        self.updates.introduced(self.hub.source.hub, self.hub.source.authorities)
        self.said: list[UpdateState | None] = []

    def turn(self, seconds: float = 0.0) -> None:
        """Time passes; then what was begun beside the loop ends."""
        self.now_s += seconds
        for _ in range(4):
            self.now_s += agent_updates.LOOK_EVERY_S
            self.said += [message.update for message in self.updates.news(self.now_s, 0.0)]
            if self.updates._fetching is not None:
                wait([self.updates._fetching], 20)

    def tell(self, outcome: str, tried: int, about: bytes) -> None:
        """The one-shot says what came of it."""
        name = hashlib.sha256(about).hexdigest()
        self.result.write_text(json.dumps({"tried": tried, "version": "1", "outcome": outcome, "manifest": name}))

    @property
    def stages(self) -> list[tuple[str, str | None]]:
        return [(each.stage, each.reason) for each in self.said if each is not None]

    def dropped(self) -> tuple[bytes, bytes] | None:
        try:
            return (self.folder / "manifest.json").read_bytes(), (self.folder / "package.deb").read_bytes()
        except FileNotFoundError:
            return None


@pytest.fixture
def unit(tmp_path, hub) -> Unit:
    return Unit(tmp_path, hub)


def test_an_offer_is_fetched_put_down_and_followed_to_its_end(unit):
    unit.updates.offered(manifest())
    unit.turn()
    assert unit.dropped() == (manifest(), PACKAGE)
    for outcome in ("installing", "installed"):
        unit.tell(outcome, 7, manifest())
        unit.turn()
    assert unit.stages == [("fetching", None), ("fetched", None), ("installing", None), ("installed", None)]
    assert {each.number for each in unit.said if each} == {7}
    assert not (unit.folder / "package.deb").exists(), "the room is given back"


def test_a_controller_that_comes_later_hears_it_again(unit):
    unit.updates.offered(manifest())
    unit.turn()
    unit.updates.introduced(None, "")
    unit.said.clear()
    unit.turn()
    assert unit.stages == [("fetched", None)]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (manifest(debian="13"), "wrong_machine"),
        (manifest(arch="arm64"), "wrong_machine"),
        (b"x" * (MANIFEST_BYTES + 1), "too_large"),
        (b"{}", "bad_members"),
        (b"\xff\xfe", "not_json"),
        (seal(canonical({"number": 1}), UPDATE_TYP, KEY), "bad_schema"),
        (manifest().replace(b"payload", b"payl0ad"), "bad_members"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_for_this_unit_costs_no_network(unit, payload, reason):
    unit.updates.offered(payload)
    unit.turn()
    assert unit.stages == [("refused", reason)]
    assert unit.hub.asked == [] and not unit.folder.exists()


@given(st.one_of(st.binary(max_size=400), st.tuples(st.integers(0, 500), st.integers(0, 255))))
@settings(max_examples=200)
def test_no_offer_whatever_it_is_ends_the_agent(nonsense):
    """Bytes, or a good offer with one of them changed: refused by name, or an offer like any other."""
    payload = nonsense
    if isinstance(nonsense, tuple):
        place, value = nonsense
        good = manifest()
        payload = good[:place] + bytes([value]) + good[place + 1 :]
    agent = Updates(Spool(Path("/nonexistent/spool")), Path("/nonexistent/result"), HERE)
    agent.offered(payload)
    said = [message.update for message in agent.news(0.0, 0.0)]
    agent.close()
    assert not payload or [each.stage for each in said if each is not None] in (["refused"], ["fetching"])


def test_a_package_over_the_limit_of_the_format_is_no_offer(unit):
    body = json.loads(canonical(update()))
    unit.updates.offered(seal(canonical({**body, "size": (512 << 20) + 1}), UPDATE_TYP, KEY))
    unit.turn()
    assert unit.stages == [("refused", "bad_schema")]


def test_an_older_one_than_was_tried_is_not_fetched(unit):
    unit.tell("installed", 9, b"another")
    unit.updates.offered(manifest())
    unit.turn()
    assert unit.stages == [("refused", "update_older")] and unit.hub.asked == []


def test_what_the_one_shot_refused_is_told_and_put_down_again_after_a_while(unit):
    """The trust document that names the key may come later."""
    unit.updates.offered(manifest())
    unit.turn()
    unit.tell("unknown_key", 0, manifest())
    unit.turn()
    assert unit.stages[-1] == ("refused", "unknown_key")
    (unit.folder / "manifest.json").write_bytes(manifest())  # as it was, but not by a rename
    before = (unit.folder / "manifest.json").stat().st_ino
    unit.turn(agent_updates.KNOCK_EVERY_S)
    assert (unit.folder / "manifest.json").stat().st_ino != before
    unit.tell("installed", 7, manifest())
    unit.turn()
    assert unit.stages[-1] == ("installed", None)


def test_a_restart_in_the_middle_goes_on_where_it_was(unit, hub):
    hub.cut_after = fetching.CHUNK_BYTES
    unit.updates.offered(manifest())
    unit.turn()
    assert unit.stages == [("fetching", None), ("fetching", "unreachable")]
    unit.updates.close()
    unit.restart()
    unit.updates.offered(manifest())
    unit.turn()
    assert unit.dropped() == (manifest(), PACKAGE)
    assert hub.asked[1] > 0


def test_power_that_goes_between_the_package_and_its_manifest(unit, hub):
    unit.updates.offered(manifest())
    unit.turn()
    (unit.folder / "manifest.json").unlink()
    unit.restart()
    unit.updates.offered(manifest())
    unit.turn()
    assert unit.dropped() == (manifest(), PACKAGE)
    assert len(hub.asked) == 1, "nothing was fetched twice"


def test_a_start_with_everything_in_place_knocks_again(unit):
    """The one-shot may have missed the first time: a path unit sees no change from before its start."""
    unit.updates.offered(manifest())
    unit.turn()
    before = (unit.folder / "manifest.json").stat().st_ino
    unit.restart()
    unit.updates.offered(manifest())
    unit.turn()
    assert (unit.folder / "manifest.json").stat().st_ino != before


def test_pauses_grow_and_end(unit, hub):
    hub.says = 503
    unit.updates.offered(manifest())
    unit.turn()
    assert unit.stages[-1] == ("fetching", "busy")
    for _ in range(12):
        unit.turn(agent_updates.AGAIN_LAST_S)
    assert len(hub.asked) == 13
    unit.turn()
    assert len(hub.asked) == 13, "not at every turn"
    hub.says = None
    unit.turn(agent_updates.AGAIN_LAST_S)
    assert unit.stages[-1] == ("fetched", None)


def test_a_wrong_package_is_asked_for_again_later_and_never_put_down(unit, hub):
    hub.packages = {update().sha256: PACKAGE[:-1] + b"x"}
    unit.updates.offered(manifest())
    unit.turn()
    assert unit.stages[-1] == ("fetching", "wrong_package") and unit.dropped() is None
    hub.packages = {update().sha256: PACKAGE}
    unit.turn(agent_updates.AGAIN_LAST_S)
    assert unit.dropped() == (manifest(), PACKAGE)


def test_the_newer_offer_wins_and_leaves_nothing_of_the_other(unit, hub):
    other = PACKAGE[::-1]
    hub.packages[hashlib.sha256(other).hexdigest()] = other
    hub.cut_after = 1000
    unit.updates.offered(manifest())
    unit.turn()
    unit.updates.offered(manifest(other, number=8))
    unit.turn()
    assert unit.dropped() == (manifest(other, number=8), other)
    assert list(unit.folder.glob("*.part")) == []


def test_what_is_withdrawn_is_not_fetched_and_the_hub_hears_that(unit, hub):
    hub.says = 503
    unit.updates.offered(manifest())
    unit.turn()
    unit.updates.offered(b"")
    hub.says = None
    unit.turn(agent_updates.AGAIN_LAST_S)
    assert unit.said[-1] is None
    assert len(hub.asked) == 1 and unit.dropped() is None


def test_no_room_no_fetch(unit, hub, monkeypatch):
    """There has to be room for the package, root's copy of it, and what the door's log may need."""
    monkeypatch.setattr(Spool, "room", lambda _: 2 * len(PACKAGE) + RESERVE_BYTES - 1)
    unit.updates.offered(manifest())
    unit.turn()
    assert unit.stages[-1] == ("fetching", "disk_full") and hub.asked == []
    monkeypatch.setattr(Spool, "room", lambda _: 2 * len(PACKAGE) + RESERVE_BYTES)
    unit.turn(agent_updates.AGAIN_LAST_S)
    assert unit.stages[-1] == ("fetched", None)


def test_a_folder_that_cannot_be_made_is_the_disks_fault(tmp_path, hub):
    unit = Unit(tmp_path / "absent" / "deeper", hub)
    unit.updates.offered(manifest())
    unit.turn()
    assert unit.stages[-1] == ("fetching", "disk")


def test_a_unit_that_was_not_told_where_its_hub_is_says_so(unit):
    unit.updates.introduced(None, "")
    unit.updates.offered(manifest())
    unit.turn()
    assert unit.stages == [("fetching", "no_hub")]


def test_a_result_that_is_nonsense_counts_as_none(unit):
    unit.result.write_bytes(b"\xff" * 9000)
    unit.updates.offered(manifest())
    unit.turn()
    assert unit.dropped() == (manifest(), PACKAGE)


def test_units_do_not_all_come_at_once(unit, hub):
    unit.updates.offered(manifest())
    list(unit.updates.news(1.0, 0.9))
    list(unit.updates.news(0.8 * agent_updates.SPREAD_S, 0.9))
    time.sleep(0.01)
    assert hub.asked == []


def test_this_machine_is_told_by_its_own_files():
    here = Machine.here()
    assert here.arch in {"amd64", "arm64", ""} and here.debian.replace(".", "").isdigit()


def test_an_offer_is_named_by_the_bytes_that_came():
    offer = Offer.read(manifest())
    assert offer.name == hashlib.sha256(manifest()).hexdigest() and offer.update.number == 7
