"""SIGKILL of the controller at random moments of somebody entering: nothing recorded is lost or doubled, the relay
never moves unrecorded or longer than it may, and what became of a pulse is told, be it that nobody can know.

`./run kill` kills 1,000 times, every day's tests ten times; `ZS_SEED=…` repeats a run.
"""

import itertools
import os
import random
import sqlite3
import threading
import time
from typing import NamedTuple

import pytest
import segno

from controller.formats.encoding import parse_object
from simulator.demo import Demo
from simulator.demo_files import DOOR, ROOM, Rules
from simulator.hub_client import applied, booking, code
from sync.hub.records.log_store import LogStore
from sync.hub.settings import read_settings
from sync.hub.store.database import open_database

pytestmark = pytest.mark.e2e

SEED = os.environ.get("ZS_SEED") or str(random.SystemRandom().randrange(10**9))
# A kill between a PIN's try and its verdict costs that try; with more tries they come back faster.
RULES = Rules(release_s=1, pin_tries=100)
ENTRY_S = {"pin": 1.0, "qr": 2.5}
"""Code, verdict, relay, leaf, records, receipt: all of an entry is over by then. A camera that lost its controller
calls it again after a second."""
NOTICE_S = 0.15  # longer than the contact bounces
SLACK_S = 0.5  # a busy machine's, between the timer of a lease and the line
PATIENCE_S = 60.0
REF = "killed-while-entering"  # long: three letters of base64 would be overheard by chance


@pytest.fixture(scope="module")
def demo(short_folder):
    with Demo(short_folder / "demo", RULES) as demo:
        demo.start(print)
        yield demo


class Visitor:
    """Has a reservation, and comes in with its PIN or its QR."""

    def __init__(self, demo: Demo) -> None:
        self._hardware = demo.hardware
        now_s = int(time.time())
        answer = demo.hub.put(REF, booking(1, "active", ROOM, now_s, now_s + 4 * 3600))
        demo.wait_until(lambda: applied(demo.hub.get(REF)), PATIENCE_S, "the list")
        self._pin = code(answer, "pin")
        self._picture = demo.folders.root / "qr.png"
        segno.make(code(answer, "qr"), error="m").save(str(self._picture), scale=8)

    def enter(self, by: str, killed: threading.Event, patience_s: float) -> None:
        """Show the code, push, walk through, unless the power goes first."""
        if by == "pin":
            self._hardware.keys(f"*{self._pin}", interval_s=0.02)
        else:
            self._hardware.show(self._picture)
        give_up_s = time.monotonic() + patience_s
        while not killed.is_set() and time.monotonic() < give_up_s:
            if self._hardware.push(wait_s=NOTICE_S) == "opened":
                killed.wait(NOTICE_S)
                break
        self._hardware.close_leaf()
        self._hardware.hide()


def kill_while_entering(demo: Demo, visitor: Visitor, by: str, after_s: float) -> None:
    killed = threading.Event()

    def kill() -> None:
        demo.controller.kill()
        killed.set()

    killer = threading.Timer(after_s, kill)
    killer.start()
    visitor.enter(by, killed, ENTRY_S[by])
    killer.join()
    demo.wait_until(lambda: not demo.hardware.state()["relay"], PATIENCE_S, "the relay to let go")
    demo.restart_controller()


@pytest.fixture(scope="module")
def kills(pytestconfig):
    return pytestconfig.getoption("--kills")


@pytest.fixture(scope="module")
def pulses_by_life(demo, kills):
    """The relay's pulses in each life of the controller. The last life had an undisturbed entry and all its receipts;
    after that the controller is not there any more, so nothing changes under the tests."""
    print(f"{kills} kills, ZS_SEED={SEED}")
    chance, visitor = random.Random(SEED), Visitor(demo)
    counts = [len(demo.hardware.state()["pulses"])]
    for _ in range(kills):
        by = chance.choice(["pin", "qr"])
        kill_while_entering(demo, visitor, by, chance.uniform(0, ENTRY_S[by]))
        counts.append(len(demo.hardware.state()["pulses"]))
    visitor.enter("qr", threading.Event(), PATIENCE_S / 3)
    demo.wait_until(lambda: not demo.hardware.state()["relay"], PATIENCE_S, "the relay to let go")
    demo.wait_until(lambda: demo.door.status().unsent == 0, PATIENCE_S, "the last receipt")
    demo.controller.kill()
    pulses = demo.hardware.state()["pulses"]
    return [pulses[start:end] for start, end in itertools.pairwise([*counts, len(pulses)])]


@pytest.fixture(scope="module")
def hub_records(demo, pulses_by_life):
    """(number, bytes, hash) of every record the hub holds."""
    store = LogStore(open_database(read_settings(demo.folders.hub).database))
    ((log, end),) = store.logs(DOOR).items()
    return [(each.seq, each.data, each.hash) for each in store.records(DOOR, log, 1, end.seq)]


def test_the_hub_has_exactly_what_the_door_recorded(demo, hub_records):
    with sqlite3.connect(demo.folders.data / "log.db") as log:
        own = log.execute("SELECT seq, event, hash FROM record ORDER BY log, seq").fetchall()
    assert [number for number, _, _ in own] == list(range(1, len(own) + 1))
    assert hub_records == own


class Said(NamedTuple):
    """What a record says, as far as pulses go."""

    kind: str
    outcome: str | None


@pytest.fixture(scope="module")
def lives(hub_records):
    """What was recorded in each life of the controller."""
    found: list[list[Said]] = []
    for _, data, _ in hub_records:
        event = parse_object(data, "record")
        if event["kind"] == "boot":
            found.append([])
        found[-1].append(Said(event["kind"], event["detail"].get("outcome")))
    return found


def test_every_pulse_of_the_relay_has_its_grant(lives, pulses_by_life, kills):
    assert len(lives) == kills + 1
    granted = [sum(said.kind == "granted" for said in life) for life in lives]
    for grants, pulses in zip(granted, pulses_by_life, strict=True):
        # One grant more than pulses: killed between the record and the relay.
        assert grants - len(pulses) in (0, 1)
    assert granted[-1] == len(pulses_by_life[-1]) == 1
    print(f"{sum(granted)} grants, {sum(map(len, pulses_by_life))} pulses")


def test_what_became_of_every_pulse_is_told_once(lives):
    """Somebody came in, nobody did, or the power went before that could be told."""
    pending = unknown = 0
    for life in lives:
        for said in life:
            if said.kind == "granted":
                assert pending == 0
                pending = 1
            elif said.outcome == "unknown":
                # Said at the start of the next life, and only of a pulse whose end nobody saw.
                assert (said.kind, pending) == ("no_entry", 1)
                pending, unknown = 0, unknown + 1
            elif said.kind in {"in", "no_entry"}:
                pending -= 1
            assert pending in (0, 1)
    assert pending == 0
    print(f"{unknown} pulses closed as outcome unknown")


def test_the_relay_is_never_on_for_longer_than_its_lease(pulses_by_life):
    for on_s, off_s in itertools.chain(*pulses_by_life):
        assert off_s - on_s <= RULES.release_s + SLACK_S


def test_the_hubs_copy_proves_itself(demo, hub_records):
    log = str(demo.folders.root / "log.jsonl")
    demo.run("audit", "export", "--hub", str(demo.folders.hub), "--door", DOOR, "--out", log)
    said = demo.run("audit", "verify", log, "--key", str(demo.folders.door / "unit-keys.json"))
    assert f"intact: {len(hub_records)} records" in said
