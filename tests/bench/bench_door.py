"""The door's own budgets: from the last key or the QR text to the relay, on the real loop, real log, real drivers.

The controller runs in this process on gpiozero's mock pins; its keypad is a pty read by the serial driver, its camera a
client of its socket. The floor is what cannot be left out: one derivation and one durable row.
"""

from __future__ import annotations

import os
import pty
import socket
import sqlite3
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.progress import Progress

from controller.config import Config
from controller.decide import Installed, Moment, PinPresented, decide
from controller.formats import code_list, jwe, pin, qr_pass
from controller.formats.code_list import CodeList, Grant, PinEntry, PinKdf, Policy, QrEntry
from controller.formats.encoding import b64
from controller.formats.envelope import seal
from controller.formats.jwk import make_key
from controller.formats.messages import CameraRead, Deliver, encode_line
from controller.presentation import Presentations
from controller.runner import Runner
from simulator.simulated_ceremony import Ceremony
from tests.bench.measure import Result, against_floor, percentile, result

GRANTS = 5_000
KNOWN = 100  # grants whose PIN and QR the bench knows; the others are there to be looked through
DOOR = "hall-1"
HOUR_S = 3_600
REST_S = 0.1  # nobody enters at a door that has just worked: whoever comes next finds the processor at rest


class Bench:
    """A door unit in a folder with a list of `grants` installed; keypad on a pty, one camera client."""

    def __init__(self, folder: Path, grants: int) -> None:
        self.folder = folder
        self.kdf = PinKdf(salt=b64(os.urandom(16)))
        self.list_key = make_key()
        ceremony = Ceremony(make_key, jwe.make_key())
        ceremony.sign([(self.list_key, "list", "active"), (make_key(), "receipt", "active")], int(time.time()))
        (folder / "trust.json").write_bytes(ceremony.documents[0])
        self._keys, slave = pty.openpty()
        tty.setraw(slave)
        self.runner = Runner(Config(self._tables(os.ttyname(slave))))
        self.runner.start()
        self.performer = self.runner._performer
        self.unit = self.runner._unit
        self.list = make_list(grants, self.kdf, int(time.time()))
        self.camera = self._client("camera.sock")
        self.install(self.list)

    def install(self, made: CodeList) -> list[float]:
        """Deliver a list and turn the loop until it is in force; how long each turn worked, in seconds."""
        self.performer.heard("sync", Deliver(kind="list", body=self.sealed(made)), lambda _message: None)
        turns: list[float] = []
        while self.performer.door.installed is None or self.performer.door.installed.list.version != made.version:
            started = time.thread_time()
            wall = time.perf_counter()
            self.runner.turn()
            # What the loop itself did and waited for the interpreter, without the time it slept for events.
            turns.append(min(time.perf_counter() - wall, time.thread_time() - started + SWITCH_S))
        return turns

    def sealed(self, made: CodeList) -> str:
        """A list as the hub sends it to this unit."""
        envelope = seal(code_list.dump(made), code_list.TYP, self.list_key)
        return jwe.encrypt(envelope, code_list.TYP, self.unit._decrypt_key.encrypt_key)

    def type_pin(self, digits: str) -> float:
        """Seconds from the last key to the relay."""
        os.write(self._keys, digits[:-1].encode())
        deadline = time.monotonic() + 5
        while self.performer.door.typed < len(digits) - 1:
            self._turn(deadline)
        os.write(self._keys, digits[-1:].encode())
        return self._until_released()

    def show_qr(self, text: str) -> float:
        """Seconds from the QR text to the relay. What was shown before is out of view, without the 3 s that takes."""
        self.performer.door._presentations[False] = Presentations()
        self.camera.sendall(encode_line(CameraRead(text=text)))
        return self._until_released()

    def close(self) -> None:
        self.camera.close()
        self.runner.close()
        os.close(self._keys)

    def _until_released(self) -> float:
        lock = self.unit.ports.lock
        started = time.monotonic()
        while not lock.released:
            self._turn(started + 5)
        # When the pin moved, as the mock factory has it: what the loop does after that nobody at the door waits for.
        spent: float = lock._relay.pin._last_change - started  # type: ignore[attr-defined]
        lock.secure()
        time.sleep(REST_S)
        return spent

    def _turn(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the door did not open; it shows {self.performer.door.shown}")
        self.runner.turn()

    def _client(self, name: str) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(self.folder / name))
        self.runner.turn()
        return client

    def _tables(self, device: str) -> dict[str, dict[str, object]]:
        return {
            "door": {"id": DOOR, "data": str(self.folder), "sockets": str(self.folder)},
            "gpio": {"factory": "mock"},
            "lock": {"driver": "gpio", "pin": 17},
            "clock": {"driver": "host"},
            "keypads": {"outside": {"driver": "serial", "device": device}},
        }


SWITCH_S = 0.005  # the interpreter's switch interval: what a turn may lose to the thread beside it


def make_list(grants: int, kdf: PinKdf, now_s: int, version: int = 0) -> CodeList:
    """A list of `grants`; the first `KNOWN` have PIN `100000 + 7 n` and the pass of `text_of(n)`."""
    window = ((now_s - HOUR_S, now_s + HOUR_S),)
    made = []
    for number in range(grants):
        known = number < KNOWN
        verifier = pin.derive(pin_of(number), kdf) if known else b64(os.urandom(32))
        qr_hash = qr_pass.parse(text_of(number)).list_hash if known else b64(os.urandom(16))
        made.append(
            Grant(
                id=f"g-{number}", kind="renter", active=True, windows=window, max_uses=None, offline_ok=False,
                pins=(PinEntry("c1", verifier, False),), qrs=(QrEntry("c2", qr_hash),),
            )
        )  # fmt: skip
    return CodeList(
        door=DOOR, epoch=1, version=version or now_s, issued=now_s, refresh_after=now_s + 86_400,
        valid_until=now_s + 21 * 86_400, shrink=False, policy=Policy(pin_tries=100), posture=None, pin_kdf=kdf,
        grants=tuple(made), closures=(), pass_keys=(),
    )  # fmt: skip


def pin_of(number: int) -> str:
    """The PIN of a known grant."""
    return f"{100_000 + 7 * number}"


def text_of(number: int) -> str:
    """The QR text of a known grant."""
    return qr_pass.make_pass(number.to_bytes(5), qr_pass.EPOCH_S, 0, 1, [], bytes(20)).text()


@contextmanager
def durable_row(folder: Path) -> Iterator[Callable[[], None]]:
    """One row committed in WAL mode with full sync, on the same disk."""
    floor = sqlite3.connect(folder / "floor.db", isolation_level=None)
    floor.execute("PRAGMA journal_mode=WAL")
    floor.execute("PRAGMA synchronous=FULL")
    floor.execute("CREATE TABLE row (n INTEGER PRIMARY KEY, data BLOB)")
    data = os.urandom(300)

    def write() -> None:
        floor.execute("BEGIN IMMEDIATE")
        floor.execute("INSERT INTO row (data) VALUES (?)", (data,))
        floor.execute("COMMIT")

    yield write
    floor.close()


def entry(folder: Path, progress: Progress) -> list[Result]:
    """Last key or QR text to relay, and how many syncs that takes."""
    bench = Bench(folder, GRANTS)
    turn = iter(range(10**9))
    with durable_row(folder) as write:

        def pin_floor() -> None:
            pin.derive("482913", bench.kdf)
            write()

        pins = against_floor(
            "PIN to relay, 5,000 grants",
            lambda: bench.type_pin(pin_of(next(turn) % KNOWN)),
            pin_floor,
            {50: 1.15, 99: 1.5},
            progress,
        )
        qrs = against_floor(
            "QR text to relay, record first",
            lambda: bench.show_qr(text_of(next(turn) % KNOWN)),
            write,
            {50: 2.2, 99: 2.5},
            progress,
        )
    syncs = [
        ("QR", _syncs(bench, lambda: bench.show_qr(text_of(1))), 1),
        ("PIN", _syncs(bench, lambda: bench.type_pin(pin_of(1))), 2),
    ]
    bench.close()
    return [*pins, *qrs, *(result(f"syncs from {name} to relay", count, 1, budget) for name, count, budget in syncs)]


def installing(folder: Path, _progress: Progress) -> list[Result]:
    """The longest turn while a list of 5,000 grants is verified and installed; the floor is the budget's own 25 ms."""
    bench = Bench(folder, GRANTS)
    worst = 0.0
    for version in range(1, 6):
        turns = bench.install(msgspec.structs.replace(bench.list, version=bench.list.version + version))
        worst = max(worst, percentile(turns, 100))
    bench.close()
    return [result("worst loop turn during an install of 5,000 grants, against 25 ms", worst * 1000, 25, 1.0)]


def deciding(_folder: Path, progress: Progress) -> list[Result]:
    """`decide` alone among 20,000 grants against 20, for a code that is there and one that is not."""
    kdf, now_s = PinKdf(salt=b64(os.urandom(16)), memory_kib=8, iterations=1), int(time.time())
    large, small = (Installed(make_list(count, kdf, now_s)) for count in (20_000, 20))
    moment = Moment(now_s, trusted=True, floor_s=0)
    results = []
    for name, verifier in (("hit", pin.derive(pin_of(3), kdf)), ("miss", b64(bytes(32)))):

        def many(installed: Installed, verifier: str = verifier) -> None:
            for _ in range(300):
                decide(installed, PinPresented(verifier), moment)

        results += against_floor(
            f"decide at 20,000 grants against 20, {name}", lambda: many(large), lambda: many(small), {50: 1.2}, progress
        )
    return results


def _syncs(bench: Bench, act: Callable[[], object]) -> int:
    """How many transactions the log committed while something was done."""
    commits = []
    bench.unit.log._db.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    bench.runner.turn()  # what the entry before left to do
    commits.clear()
    act()
    bench.unit.log._db.set_trace_callback(None)
    return len(commits)
