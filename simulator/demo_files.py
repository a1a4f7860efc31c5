"""The configuration files of the demo: what an installer would write, with the demo's own paths and ports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

DOOR: Final = "hall-1"
ROOM: Final = "hall"
CLIENT: Final = "booking"
TIME_ZONE: Final = "Europe/Brussels"
# sun_path of a Unix socket is 108 bytes on Linux, the end included.
SOCKET_PATH_BYTES: Final = 107
LONGEST_SOCKET: Final = "door/run/display.sock"


class PathTooLong(Exception):
    """A Unix socket could not have this path."""


@dataclass(frozen=True)
class Rules:
    """What one may want otherwise in a town of one door: how long the lock lets go, how many PIN tries there are."""

    release_s: int = 8  # long enough to paste the next command
    pin_tries: int = 10


class Folders:
    """Where everything is, below one folder. Raises PathTooLong."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        if len(bytes(self.root / LONGEST_SOCKET)) > SOCKET_PATH_BYTES:
            raise PathTooLong(f"{self.root}: too long a path for the sockets in it, choose a shorter --directory")
        self.logs = self.root / "logs"
        self.hub = self.root / "hub"
        self.broker = self.root / "broker"
        self.traffic = self.broker / "traffic.jsonl"
        self.ceremony = self.root / "ceremony"
        self.hardware = self.root / "hardware"
        self.door = self.root / "door"
        self.data = self.door / "data"
        self.unit_keys = self.door / "unit-keys.json"  # the last that is made once: with it the door is one
        self.sockets = self.door / "run"
        self.clock = self.root / "clock.json"

    def make(self) -> None:
        """Make them all, for this account only: there are keys in some."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.logs, self.hub, self.broker, self.ceremony, self.hardware, self.door):
            folder.mkdir(mode=0o700, exist_ok=True)


def town(rules: Rules) -> str:
    """One room behind one door."""
    return f"""\
[services.culture]
name = "Cultuur"

[clients.{CLIENT}]
service = "culture"
scopes = ["reservations", "records"]

[pin_sets.town]
tries = {rules.pin_tries}

[commissioning]
required = false  # nobody hangs a virtual door on a wall

[buildings.town-hall]

[rooms.{ROOM}]
service = "culture"
building = "town-hall"
doors = ["{DOOR}"]
time_zone = "{TIME_ZONE}"

[rooms.{ROOM}.policy]
release_s = {rules.release_s}
languages = ["nl", "fr", "de", "en"]
help = "09 000 00 00"

[rooms.{ROOM}.policy.screen]
room = "Feestzaal"

[rooms.{ROOM}.policy.screen.leave]
nl = "Lichten uit. Ramen dicht. Stoelen terug."
fr = "Éteignez. Fermez les fenêtres. Rangez les chaises."
de = "Licht aus. Fenster zu. Stühle zurück."
en = "Lights off. Windows shut. Chairs back."
"""


def hub(http_port: int, broker_port: int, doors_port: int | None = None) -> str:
    """`hub.toml`; without `doors_port` doors are enrolled by hand."""
    doors = f"""
[doors]
host = "127.0.0.1"
port = {doors_port}
public = "127.0.0.1:{doors_port}"
"""
    return f"""\
database = "sqlite:///hub.db"

[http]
host = "127.0.0.1"
port = {http_port}

[mqtt]
host = "127.0.0.1"
port = {broker_port}

[folders]
keys = "keys"
tls = "tls"
{doors if doors_port is not None else ""}"""


def unit(folders: Folders, lines: dict[str, int], keypad: str, camera_url: str) -> str:
    """The door unit's file, read by controller and camera: real drivers, all on virtual hardware."""
    return f"""\
[door]
id = "{DOOR}"
data = "{folders.data}"
sockets = "{folders.sockets}"

[gpio]
factory = "virtual"

[lock]
driver = "gpio"
pin = {lines["lock"]}

[contact]
driver = "gpio"
pin = {lines["contact"]}
active = "high"

[exit_button]
driver = "gpio"
pin = {lines["exit_button"]}

[light]
driver = "gpio"
pin = {lines["led"]}

[sound]
driver = "gpio"
pin = {lines["sound"]}

[tamper]
driver = "gpio"
pin = {lines["tamper"]}
active = "high"

[housing_button]
driver = "gpio"
pin = {lines["housing_button"]}

[fire]
driver = "gpio"
pin = {lines["fire"]}
active = "high"

[legacy]
driver = "gpio"
pin = {lines["legacy"]}

[clock]
driver = "virtual"

[keypads.outside]
driver = "serial"
device = "{keypad}"

[camera]
driver = "opencv"
source = "{camera_url}"
"""


def agent(folders: Folders, broker_port: int) -> str:
    """The agent's file; `broker_port` is the near end of the cable, which is why it does not take the address that its
    hub tells it."""
    return f"""\
[door]
id = "{DOOR}"
socket = "{folders.sockets}/sync.sock"

[broker]
host = "127.0.0.1"
port = {broker_port}
certificate = "{folders.door}/agent.pem"
"""
