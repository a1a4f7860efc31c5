"""What people and machines throw at a unit, one named case each: a clear event or fault, nothing lost, nothing half
applied, and the door opens for a right code afterwards. `tests/fuzz` is the same without names.

What takes more than a unit is elsewhere: clients that never read or flood in `test_door_socket.py`, a full card in
`test_failing_storage.py`, no broker at the start and no hub for an hour in `tests/scenarios` and `tests/sync/agent`, a
camera pulled out below its driver in `camera/test_process.py`.
"""

import json
import socket
import sqlite3
from contextlib import closing

import msgspec
import pytest

from controller.door_events import QrRead, Release
from controller.formats import code_list as formats
from controller.formats.encoding import canonical
from controller.formats.envelope import seal
from controller.formats.jwk import make_key
from controller.formats.limits import LIMITS
from controller.formats.messages import CameraAlive, DisplayAlive, encode_line
from tests.controller.enrolled_unit import EnrolledUnit, Town
from tests.controller.wired_unit import wired_unit
from tests.controller.worlds import DAY, NOON, PIN, Bench, code_list, grant, installed, shown, token

GENUINE = code_list(grant("g1"), version=2_000)
PAYLOAD = formats.dump(GENUINE)


@pytest.fixture
def door(tmp_path):
    """A unit with a genuine list in force."""
    unit = EnrolledUnit(tmp_path / "data", Town())
    unit.deliver_list(GENUINE)
    yield unit
    unit.unit.log.close()


def recorded(unit: EnrolledUnit) -> list[tuple[str, str | None]]:
    with closing(sqlite3.connect(unit.folder / "log.db")) as log:
        events = [json.loads(event) for (event,) in log.execute("SELECT event FROM record ORDER BY seq")]
    return [(event["kind"], event.get("reason")) for event in events]


def still_as_before(unit: EnrolledUnit) -> None:
    """The same list is in force, alone on the card, and its PIN opens."""
    assert unit.unit.floors.list_version == GENUINE.version
    assert len(list(unit.folder.glob("list-*"))) == 1
    unit.keys(PIN)
    assert unit.lock.releases == 1


def newer(**fields) -> formats.CodeList:
    return msgspec.structs.replace(GENUINE, version=GENUINE.version + 1, **fields)


MANY = tuple(grant(f"g{n}", pin=None) for n in range(40))
LISTS = {
    "for another door": (lambda town: town.sealed(newer(door="hall-2")), "wrong_door"),
    "an older number": (lambda town: town.sealed(msgspec.structs.replace(GENUINE, version=1_999)), "rolled_back"),
    "another key": (lambda town: town.sealed(newer(), make_key()), "unknown_key"),
    "a key for something else": (lambda town: town.sealed(newer(), town.keys["receipt"]), None),
    "the same number, other bytes": (
        lambda town: town.sealed(msgspec.structs.replace(GENUINE, valid_until=GENUINE.valid_until - 1)),
        "list_fork",
    ),
    "an extra member": (lambda town: sealed_text(town, PAYLOAD[:-1] + b',"zz":1}'), "bad_schema"),
    "a member twice": (lambda town: sealed_text(town, PAYLOAD[:-1] + b',"shrink":false}'), None),
    "a payload too large": (lambda town: sealed_text(town, b" " * (LIMITS.list_payload_bytes + 1)), "too_large"),
    "empty": (lambda town: town.sealed(newer(grants=())), "unexplained_shrink"),
    "run out": (lambda town: town.sealed(newer(issued=NOON - 9, refresh_after=NOON - 8, valid_until=NOON - 1)), None),
    "from tomorrow": (lambda town: town.sealed(newer(issued=NOON + DAY)), "issued_ahead"),
}


def sealed_text(town: Town, payload: bytes) -> str:
    return seal(payload, formats.TYP, town.keys["list"]).decode()


@pytest.mark.parametrize("case", LISTS)
def test_a_bad_list_is_one_event_and_changes_nothing(door, case):
    made, reason = LISTS[case]
    before = len(recorded(door))
    door.deliver("list", door.encrypted(made(door.town)))
    (new,) = recorded(door)[before:]
    assert new[0] == "list"
    assert new[1] is not None
    assert reason is None or new[1] == reason
    still_as_before(door)


def test_a_flipped_bit_at_any_byte_is_refused(door):
    sealed = door.town.sealed(newer())
    for at in range(0, len(sealed), 7):
        bent = bytearray(sealed.encode())
        bent[at] ^= 1 << (at % 7)
        door.deliver("list", door.encrypted(bent.decode("utf-8", "replace")))
    still_as_before(door)


def test_an_envelope_beyond_every_limit_costs_a_refusal(door):
    door.deliver("list", "x" * (LIMITS.envelope_bytes + 1))
    still_as_before(door)


QRS = {
    "3,000 bytes": "ZS1:" + "A" * 2_996,
    "binary": bytes(range(256)).decode("latin-1"),
    "a payment": "BCD\n002\n1\nSCT\nGKCCBEBB\nGemeente\nBE68539007547034\nEUR12.5",
    "a web link": "https://example.org/?q=ZS1:",
    "a vCard": "BEGIN:VCARD\nVERSION:3.0\nN:De Smet;Jan\nEND:VCARD",
    "nothing": "",
}


@pytest.mark.parametrize("case", QRS)
def test_a_foreign_text_is_told_so_and_leaves_no_trace_of_itself(door, case):
    door.performer.feed(QrRead(QRS[case]))
    assert ("refused", "foreign") in recorded(door)
    stored = (door.folder / "log.db").read_bytes() + (door.folder / "log.db-wal").read_bytes()
    assert not QRS[case] or QRS[case][:24].encode() not in stored
    still_as_before(door)


@pytest.mark.parametrize(("camera", "other"), [("camera", "camera_inside"), ("camera_inside", "camera")])
def test_a_camera_that_vanishes_is_a_fault_until_it_sees_again_and_a_pin_opens_meanwhile(tmp_path, camera, other):
    door = EnrolledUnit(tmp_path / "data", Town(), cameras=("camera", "camera_inside"))
    door.deliver_list(GENUINE)

    def seconds(count: int, frames: int | None) -> None:
        """So long the camera gives so many pictures, None = its process is gone; the other one sees all the while."""
        for _ in range(count):
            if frames is not None:
                door.performer.heard(camera, CameraAlive(frames=frames), print)
            door.performer.heard(other, CameraAlive(frames=10), print)
            door.pass_time(1)

    seconds(60, frames=10)
    assert camera not in door.performer.door.faults
    seconds(60, frames=0)
    door.keys(PIN)
    assert door.lock.releases == 1
    seconds(60, frames=10)
    seconds(60, frames=None)
    seconds(5, frames=10)
    told = [event for event in recorded(door) if event[1] in {camera, other}]
    assert told == [("fault_raised", camera), ("fault_cleared", camera)] * 2
    door.unit.log.close()


def test_a_valid_qr_taped_before_the_camera_for_an_hour_opens_once():
    taped = token()
    bench = Bench(installed=installed(grant(qr=taped, windows=((NOON, NOON + DAY),))))
    releases = 0
    for _ in range(3_600 * 2):
        releases += sum(isinstance(effect, Release) for effect in bench.qr(taped))
        bench.wait(0.5)
    assert releases == 1
    bench.wait(3.1)
    assert any(isinstance(effect, Release) for effect in bench.qr(taped))


def test_two_hundred_keys_a_second_are_tries_until_there_are_none_and_a_qr_still_opens():
    passed = token()
    bench = Bench(installed=installed(grant(pin=None, qr=passed)))
    for _ in range(200 * 10):
        bench.keys("7")
        bench.wait(0.005)
    assert bench.door.tries_left(bench.now()) == 0
    assert shown(bench.effects)[-1].signal == "wait"
    assert any(isinstance(effect, Release) for effect in bench.qr(passed))


# ---- with real sockets and devices


@pytest.fixture
def unit(tmp_path, monkeypatch):
    with wired_unit(tmp_path, monkeypatch) as unit:
        unit.start()
        yield unit


def gone() -> None:
    raise OSError(5, "Input/output error")


def connect(folder, role: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(folder / "run" / f"{role}.sock"))
    return client


@pytest.mark.parametrize("closes", [True, False])
def test_a_keypad_that_is_pulled_out_is_a_fault_until_it_is_back(unit, monkeypatch, closes):
    if not closes:
        monkeypatch.setattr(unit.runner._hardware.keypads["outside"].port._line, "close", gone)
    unit.keypad.plug(False)
    assert unit.until(lambda: "keypad" in unit.faults)
    unit.keypad.plug(True)
    assert unit.until(lambda: "keypad" not in unit.faults)
    kinds = [(event["kind"], event.get("reason")) for event in unit.events()]
    assert kinds.count(("fault_raised", "keypad")) == kinds.count(("fault_cleared", "keypad")) == 1


@pytest.mark.parametrize("said", [b"\x00\xff\n", b'{"type":"open"}\n', b"[" * 9_000 + b"\n", b"A" * 70_000])
@pytest.mark.parametrize("role", ["camera", "display", "admin"])
def test_who_talks_nonsense_is_disconnected_and_the_next_one_is_heard(unit, tmp_path, role, said):
    with connect(tmp_path, role) as client:
        client.sendall(said)
        client.setblocking(False)

        def hung_up() -> bool:
            try:
                return client.recv(65_536) == b""
            except BlockingIOError:
                return False
            except ConnectionResetError:
                return True

        assert unit.until(hung_up)
    assert unit.until(lambda: any(event.get("detail", {}).get("what") == "socket" for event in unit.events()))
    with connect(tmp_path, "admin") as staff:
        staff.sendall(b'{"type":"status"}\n')
        staff.setblocking(False)

        def answered() -> bool:
            try:
                return b'"door":"hall-1"' in staff.recv(65_536)
            except BlockingIOError:
                return False

        assert unit.until(answered)


def test_a_screen_that_was_there_is_missed_and_welcome_back(unit, tmp_path):
    assert unit.until(lambda: True)
    assert "display" not in unit.faults, "nobody has to have a screen"
    with connect(tmp_path, "display") as screen:
        screen.sendall(encode_line(DisplayAlive(pages=1)))
        assert unit.until(lambda: unit.runner._performer._upkeep._display_ms is not None)
        assert "display" not in unit.faults
    assert unit.until(lambda: "display" in unit.faults)
    with connect(tmp_path, "display") as screen:
        screen.sendall(encode_line(DisplayAlive(pages=1)))
        assert unit.until(lambda: "display" not in unit.faults)


def test_somebody_who_only_looks_is_not_missed(unit, tmp_path):
    with connect(tmp_path, "display") as visitor:
        visitor.setblocking(False)

        def told() -> bool:
            try:
                return b'"type":"public"' in visitor.recv(65_536)
            except BlockingIOError:
                return False

        assert unit.until(told)
    for _ in range(5):
        unit.runner.turn()
    assert "display" not in unit.faults


def test_the_payload_used_here_is_canonical():
    assert canonical(GENUINE) == PAYLOAD
