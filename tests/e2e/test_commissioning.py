"""A door without a computer: staff bring it into service at its keypad with `#2`, and then somebody comes in by a QR
code and leaves by the reader inside. Controller and two cameras are processes of their own, on virtual hardware."""

import io
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from time import sleep, time
from typing import Any

import pytest
import segno

from controller.commission import KEYS, TEST_QR
from controller.formats import code_list as formats
from controller.formats import jwe
from controller.formats.encoding import parse_object
from controller.formats.messages import Deliver, Guide, encode_line
from controller.own_keys import decrypt_key
from controller.presentation import GAP_MS
from simulator import demo_files
from simulator.demo_files import Folders
from simulator.door_client import DoorClient
from simulator.hardware import LINES, HardwareConfig, VirtualDoor
from simulator.pins import SOCKET_VARIABLE
from simulator.processes import Processes
from simulator.stream import Picture, Stream, decode_picture
from simulator.virtual_clock import FILE_VARIABLE, VirtualClockFile
from tests.controller.enrolled_unit import Town
from tests.controller.worlds import NOON, code_list, grant, token

pytestmark = pytest.mark.e2e

COMMAND = (sys.executable, "-m", "zaalsleutel")
PATIENCE_S = 60.0
STAFF, QR = "730164", token()
LIST = code_list(grant("renter", pin=None, qr=QR), grant("staff", STAFF, kind="facility"), version=NOON - 60)
TYPED = {
    "keypad_mm": "1000#", "camera_mm": "950#", "corner_mm": "700#", "floor": "1", "free_exit": "1", "escape_route": "3",
    "locked_unpowered": "1", "fire_cuts_lock": "2", "cylinder": "1", "notice": "1", "sheet": "17#",
}  # fmt: skip


class Unit:
    """A unit on a wall, and the people before it. `inside` is what the camera on the inner side sees."""

    def __init__(self, folders: Folders, processes: Processes) -> None:
        self._folders, self._processes = folders, processes
        self._town = Town()
        self.inside = Stream()
        self.hardware = VirtualDoor(
            HardwareConfig(
                pins_socket=str(folders.hardware / "pins.sock"),
                control_socket=str(folders.hardware / "control.sock"),
                keypad=str(folders.hardware / "keypad"),
            )
        )
        self.door = DoorClient(folders.sockets)

    def start(self) -> None:
        """Its three processes, in the room's booked hour, with a list in force."""
        folders = self._folders
        folders.data.mkdir()
        folders.sockets.mkdir()
        (folders.data / "trust.json").write_bytes(self._town.documents[-1])
        VirtualClockFile(folders.clock).set(NOON + 60 - time(), 0)
        unit = folders.door / "unit.toml"
        inner = f'[camera_inside]\ndriver = "opencv"\nsource = "{self.inside.url}"\n'
        outer = self.hardware.stream.url
        unit.write_text(demo_files.unit(folders, LINES, self.hardware.config.keypad, outer) + inner)
        wired = {SOCKET_VARIABLE: self.hardware.config.pins_socket, FILE_VARIABLE: str(folders.clock)}
        self._start("controller", "door", "run", "--config", str(unit), environment=wired)
        for name, option in (("camera", ()), ("camera inside", ("--inside",))):
            self._start(name, "camera", "run", "--config", str(unit), *option)
        self.until(self.door.answers)
        sealed = jwe.encrypt(self._town.sealed(LIST).encode(), formats.TYP, decrypt_key(folders.data).encrypt_key)
        with socket.socket(socket.AF_UNIX) as agent:
            agent.connect(str(folders.sockets / "sync.sock"))
            agent.sendall(encode_line(Deliver(kind="list", body=sealed)))
            self.until(lambda: self.door.status().grants == 2)

    def until(self, come_true: Callable[[], bool]) -> None:
        self._processes.wait_until(come_true, PATIENCE_S, "what the test waits for")

    @property
    def asked(self) -> Guide | None:
        """What the screen asks of whoever brings the door into service."""
        return self.door.public().guide

    def went_on(self, before: Guide) -> bool:
        """Whether it asks for something else now, or for nothing."""
        guide = self.asked
        return guide is None or (guide.place, guide.kind) != (before.place, before.kind)

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """The log, oldest first."""
        with closing(sqlite3.connect(self._folders.data / "log.db")) as log:
            found = [parse_object(each, "log") for (each,) in log.execute("SELECT event FROM record ORDER BY seq")]
        return [event for event in found if event["kind"] in kinds]

    def close(self) -> None:
        self._processes.stop()
        self.hardware.close()
        self.inside.close()

    def _start(self, name: str, *words: str, environment: dict[str, str] | None = None) -> None:
        self._processes.start(name, [*COMMAND, *words], environment or {})


@pytest.fixture
def unit(short_folder: Path) -> Iterator[Unit]:
    folders = Folders(short_folder / "unit")
    folders.make()
    unit = Unit(folders, Processes(folders.logs))
    yield unit
    unit.close()


def qr(text: str) -> Picture:
    drawn = io.BytesIO()
    segno.make(text, error="m").save(drawn, kind="png", scale=8)
    return decode_picture(drawn.getvalue())


def do(unit: Unit, step: str) -> None:
    """What the screen asks for, as somebody with a telephone and two hands does it."""
    hardware, outside = unit.hardware, unit.hardware.stream
    match step:
        case "keys":
            hardware.keys(KEYS)
        case "qr":
            outside.show(qr(TEST_QR))
        case "qr_seated":
            outside.hide()
            sleep(GAP_MS / 1000 + 0.5)
            outside.show(qr(TEST_QR))
        case "qr_inside":
            outside.hide()
            unit.inside.show(qr(TEST_QR))
        case "relay":
            clicked = len(hardware.state()["pulses"])
            hardware.keys("0")
            unit.until(lambda: len(hardware.state()["pulses"]) > clicked)
            hardware.keys("1")
        case "exit_button":
            hardware.exit_button()
        case "leaf":
            hardware.pull_inside()
            unit.until(lambda: bool(unit.events("out", "opened")))
            hardware.close_leaf()
        case _:
            hardware.keys(TYPED[step])


def test_staff_bring_a_door_into_service_at_its_keypad_and_somebody_visits(unit: Unit):
    unit.start()
    assert not unit.door.status().in_service
    unit.hardware.keys(f"#2{STAFF}")
    unit.until(lambda: unit.asked is not None)
    done = []
    while (guide := unit.asked) is not None and guide.kind != "over":
        done.append(guide.step)
        do(unit, guide.step)
        unit.until(partial(unit.went_on, guide))
    assert done == ["keys", "qr", "qr_seated", "qr_inside", "relay", "exit_button", "leaf", *TYPED]
    assert unit.door.status().in_service
    record = unit.events("commissioning")[-1]
    assert (record["reason"], record["detail"]["by"], record["detail"]["qr_inside"]) == ("passed", "keypad", "yes")

    unit.inside.hide()
    unit.hardware.stream.show(qr(QR))
    assert unit.hardware.push(wait_s=PATIENCE_S) == "opened"
    unit.until(lambda: bool(unit.events("in")))
    unit.hardware.close_leaf()
    opened = len(unit.hardware.state()["pulses"])
    unit.inside.show(qr(QR))
    unit.until(lambda: unit.events("out")[-1]["detail"].get("by") == "sign_out")
    left = unit.events("out")[-1]
    assert (left["credential"], left["detail"]["attribution"]) == ("qr", "explicit")
    assert len(unit.hardware.state()["pulses"]) == opened, "what is read inside opens nothing"
    assert not {"camera", "camera_inside"} & set(unit.door.status().faults)
