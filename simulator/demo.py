"""The demo: a broker, a hub and one door unit as real processes on this machine, the door on virtual hardware.

    with Demo(folder, Rules()) as demo:
        demo.start(print)
        answer = demo.hub.put("R-1", booking(1, "active", ROOM, now, now + 3600))
        demo.hardware.keys(code(answer, "pin"))
        demo.hardware.push(wait_s=3)

Each process is started by the command an installation would use. Between the door's agent and the broker is a cable
that can be cut. Leaving the `with` ends everything, also after a failed start.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

from simulator import broker, demo_files
from simulator.broker_files import BrokerFiles
from simulator.ceremony import Ceremony
from simulator.control import HardwareClient
from simulator.demo_files import CLIENT, DOOR, ROOM, Folders, Rules
from simulator.door_client import DoorClient
from simulator.hub_client import HubClient
from simulator.pins import SOCKET_VARIABLE
from simulator.ports import free_port
from simulator.processes import LOG_LINES, Child, Processes, run_to_end
from simulator.tap import RIGHTS, Tap
from simulator.virtual_clock import FILE_VARIABLE
from simulator.whereabouts import Whereabouts

COMMAND: Final = (sys.executable, "-m", "zaalsleutel")
COMMAND_S: Final = 60.0
START_S: Final = 60.0
"""Longest wait for one process. Generous: a first start compiles every package on what may be a slow machine."""


class StartFailed(Exception):
    """The folder is not one to start in, or a command that prepares the demo was refused; the text says which."""


class Demo:
    """`start` raises StartFailed, ChildDied, NotInTime or NoBroker. After it `hub`, `hardware` and `door` are there
    to be used, and `controller`, `camera`, `agent`, `display` to be killed and started."""

    ceremony: Ceremony
    confirmed_code: str
    listed_unconfirmed: bool
    hub: HubClient
    hardware: HardwareClient
    door: DoorClient
    controller: Child
    camera: Child
    agent: Child
    display: Child
    tap: Tap

    def __init__(self, directory: Path, rules: Rules) -> None:
        """Raises PathTooLong."""
        self.folders = Folders(directory)
        self._rules = rules
        self._processes = Processes(self.folders.logs)
        self._connected: HardwareClient | None = None
        self._tap: Tap | None = None
        self._broker_files: BrokerFiles | None = None
        self._lock: int | None = None
        self._broker_port = free_port()
        self._http_port = free_port()
        self._doors_port = free_port()
        self.display_port = free_port()

    def __enter__(self) -> Demo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connected is not None:
            self._connected.close()
        if self._broker_files is not None:
            self._broker_files.stop()
        if self._tap is not None:
            self._tap.close()
        self._processes.stop()
        if self._lock is not None:
            os.close(self._lock)

    def start(self, tell: Callable[[str], None]) -> None:
        """Bring everything up, or what an earlier demo left in this folder; `tell` hears what is being done."""
        again = self._take_folder()
        tell("going on from an earlier demo" if again else "making the hub's keys and certificates")
        self._make_hub()
        self.ceremony = Ceremony(self.folders, self.run)
        if not again:
            tell("holding the ceremony: three offline keys, two of which sign whom the door believes")
            self._hold_ceremony()
        tell("starting the broker")
        self._start_broker()
        tell("starting the hub")
        self._start_hub()
        tell("putting up the virtual door")
        self._start_hardware()
        tell("starting controller, camera and agent")
        self._install()
        self._start_door()
        if not again:
            tell("enrolling the door: the camera reads the hub's QR code, staff confirm what the unit shows")
            self.enrol()
        tell("waiting for the door's first list")
        self.wait_until(lambda: self.door.status().list_version is not None, START_S, "the door's first list")

    def wait_until(self, come_true: Callable[[], bool], within_s: float, what: str) -> None:
        """Wait for something in the demo. Raises NotInTime, or ChildDied when a process has gone."""
        self._processes.wait_until(come_true, within_s, what)

    def check(self) -> None:
        """Raises ChildDied when a process has gone."""
        self._processes.check()

    def pids(self) -> dict[str, int]:
        """The process of each child by its name."""
        return self._processes.pids()

    def restart_controller(self) -> None:
        """Start the controller after it was killed and wait until it answers."""
        self.controller.start()
        self.wait_until(self.door.answers, START_S, "the controller to answer")

    def run(self, *arguments: str) -> str:
        """What a command of ours prints. Raises StartFailed."""
        try:
            status, said, complained = run_to_end([*COMMAND, *arguments], COMMAND_S)
        except subprocess.TimeoutExpired:
            raise StartFailed(f"zaalsleutel {' '.join(arguments)} did not end within {COMMAND_S:g} s") from None
        if status:
            last = (complained.strip() or said.strip()).splitlines()[-LOG_LINES:]
            raise StartFailed("\n    ".join([f"zaalsleutel {' '.join(arguments)} was refused:", *last]))
        return said

    def whereabouts(self) -> Whereabouts:
        """For the commands in other terminals."""
        return Whereabouts(
            pid=os.getpid(),
            directory=str(self.folders.root),
            door=DOOR,
            room=ROOM,
            hub_port=self._http_port,
            broker_port=self._broker_port,
            token=self._token,
            control_socket=str(self.folders.hardware / "control.sock"),
            sockets=str(self.folders.sockets),
        )

    # --- one process after the other

    def _take_folder(self) -> bool:
        """Have the folder to ourselves; whether an earlier demo left a door there. Raises StartFailed."""
        root = self.folders.root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ours until we end, however we end
        except BlockingIOError:
            raise StartFailed(f"another demo runs in {root}") from None
        again = self.folders.unit_keys.exists()
        if not again and self.folders.hub.exists():
            raise StartFailed(f"the demo in {root} ended before its door was one; remove it, or choose another folder")
        self.folders.make()
        return again

    def _make_hub(self) -> None:
        folder, town = self.folders.hub, self.folders.root / "town.toml"
        (folder / "hub.toml").write_text(demo_files.hub(self._http_port, self._broker_port, self._doors_port), "utf-8")
        town.write_text(demo_files.town(self._rules), "utf-8")
        self.run("hub", "init", str(folder), "--host", "127.0.0.1")
        self.run("hub", "apply", str(town), "--hub", str(folder))
        self._token = self.run("hub", "token", CLIENT, "--hub", str(folder)).strip()

    def _hold_ceremony(self) -> None:
        """What three holders do on machines of their own."""
        self.ceremony.make_roots()
        self.ceremony.first()

    def _start_broker(self) -> None:
        file = broker.write_configuration(self.folders.broker, self.folders.hub / "tls", self._broker_port, RIGHTS)
        process = self._processes.start("broker", broker.command(file))
        self.wait_until(lambda: broker.answers(self._broker_port), START_S, "the broker to listen")
        self._broker_files = BrokerFiles(self.folders.hub / "tls", self.folders.broker, process.hang_up, RIGHTS)
        self._broker_files.start()
        self.tap = self._tap = Tap(self.folders.hub / "tls", self._broker_port, self.folders.traffic)
        self.wait_until(lambda: self.tap.listening, START_S, "the listener at the broker")

    def _start_hub(self) -> None:
        self._processes.start("hub", [*COMMAND, "hub", "serve", "--hub", str(self.folders.hub)])
        self.hub = HubClient("127.0.0.1", self._http_port, self._token)
        self.wait_until(self.hub.healthy, START_S, "the hub to answer")

    def _start_hardware(self) -> None:
        arguments = ["--directory", str(self.folders.hardware), "--cable-to", f"127.0.0.1:{self._broker_port}"]
        self._processes.start("hardware", [sys.executable, "-m", "simulator.hardware", *arguments])
        self.wait_until(self._reach_hardware, START_S, "the virtual hardware to answer")

    def _reach_hardware(self) -> bool:
        self.hardware = self._connected = HardwareClient(self.folders.hardware / "control.sock")
        return True

    def _install(self) -> None:
        """The files of a unit that is no door yet."""
        from simulator.hardware import LINES  # late: it loads OpenCV, which the commands do without

        folder = self.folders.door
        here = self.hardware.state()
        config = demo_files.unit(self.folders, LINES, here["keypad_device"], here["camera_url"])
        (folder / "unit.toml").write_text(config, "utf-8")
        (folder / "agent.toml").write_text(demo_files.agent(self.folders, here["cable_port"]), "utf-8")
        self.run("door", "init", "--config", str(folder / "unit.toml"))

    def enrol(self) -> None:
        """Show the unit the hub's QR code, and tell the hub what the unit shows then."""
        folder, hub = self.folders.door, ("--hub", str(self.folders.hub))
        self.run("hub", "door", "add", DOOR, "--out", str(folder), *hub)
        self.hardware.show(folder / f"enrol-{DOOR}.png")
        self.wait_until(lambda: self.enrolment_code() is not None, START_S, "the unit to be enrolled")
        self.hardware.hide()
        self.confirmed_code = self.enrolment_code() or ""
        self.listed_unconfirmed = self.door.status().list_version is not None
        self.run("hub", "door", "confirm", DOOR, self.confirmed_code, *hub)
        # The keys that the unit made for itself; whoever verifies its log offline needs the public halves.
        public = self.run("door", "init", "--config", str(folder / "unit.toml"), "--json")
        self.folders.unit_keys.write_text(public, "utf-8")

    def enrolment_code(self) -> str | None:
        """The digits that the unit shows to staff, None while it shows none."""
        enrolling = self.door.public().enrolment
        return None if enrolling is None else enrolling.code

    def _start_door(self) -> None:
        unit = str(self.folders.door / "unit.toml")
        wired = {SOCKET_VARIABLE: str(self.folders.hardware / "pins.sock"), FILE_VARIABLE: str(self.folders.clock)}
        self.controller = self._processes.start("controller", [*COMMAND, "door", "run", "--config", unit], wired)
        self.camera = self._processes.start("camera", [*COMMAND, "camera", "run", "--config", unit])
        agent = str(self.folders.door / "agent.toml")
        self.agent = self._processes.start("agent", [*COMMAND, "agent", "run", "--config", agent])
        page = ["--config", unit, "--port", str(self.display_port)]
        self.display = self._processes.start("display", [*COMMAND, "display", "run", *page])
        self.door = DoorClient(self.folders.sockets)
        self.wait_until(self.door.answers, START_S, "the controller to answer")
