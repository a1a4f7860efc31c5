"""An update on its way: from an offer on the topic to the one-shot's spool, through whatever goes wrong between."""

from __future__ import annotations

import hashlib
import json
import time
from concurrent.futures import wait
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.formats.encoding import canonical
from controller.formats.envelope import seal
from controller.formats.state import UpdateState
from controller.formats.update import MANIFEST_BYTES, UPDATE_TYP
from sync.agent import fetch as fetching
from sync.agent import updates as agent_updates
from sync.agent.fetch import RESERVE_BYTES
from sync.agent.spool import Offer, Spool
from sync.agent.updates import Machine, Updates
from tests.sync.agent.package_server import KEY, PACKAGE, Hub, manifest, update

HERE = Machine("12", "amd64")


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
