"""The hardware of one virtual door, in a process of its own, below the door's real drivers.

It owns the outside ends: the board the lock, LED and switches are wired to (`simulator.pins`), the pty of the keypad,
the picture in front of the camera, the network cable, and a leaf that obeys the relay. A control socket moves it:

    python -m simulator.hardware --directory DIR --cable-to 127.0.0.1:8883

prints one JSON line with the addresses when everything is up, and ends on SIGTERM. Verbs of the control socket, with
arguments and what the reply adds; times in seconds:

| verb | arguments | reply |
|---|---|---|
| `keys` | `keys`, `interval_s=0.05` | after the last key |
| `show` | `image` (path) or `image_base64`, `seconds=None` (until `hide`) | |
| `hide` | | |
| `push` | `wait_s=0` (lean on the leaf that long), `force=false` | `result`: opened, locked, forced, open already |
| `pull_inside` | | |
| `close_leaf` | | |
| `exit_button` | `seconds=0.2` | after letting go |
| `switch` | `name`, `closed` (to ground) | |
| `plug_keypad`, `plug_camera` | `plugged` | |
| `cut` | `silent=false` | |
| `mend` | | |
| `state` | | see `VirtualDoor.state` |
| `history` | `name` | `changes`: `[at_s, high]` of that line |

The lock is a fail-secure strike with a free handle inside: energised, a push opens; the handle always opens; closing
the leaf locks it.
"""

import argparse
import base64
import binascii
import json
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Annotated, Any, Final

import msgspec

from simulator.cable import Cable
from simulator.control import ControlServer, HardwareClient, HardwareRefused, Reply
from simulator.keypad_line import KeypadLine
from simulator.pins import Change, VirtualBoard
from simulator.stream import PICTURE_BYTES_MAX, Stream, decode_picture

__all__ = ["CableConfig", "HardwareClient", "HardwareConfig", "HardwareRefused", "VirtualDoor", "main"]

LINES: Final = {
    "lock": 17,
    "contact": 23,
    "exit_button": 24,
    "led": 22,
    "sound": 18,
    "tamper": 25,
    "housing_button": 16,
    "fire": 20,
    "legacy": 21,
}
"""As in the hardware profiles. What a door's configuration does not claim is a wire that ends nowhere."""
CLOSED_AT_REST: Final = frozenset({"contact", "tamper", "fire"})
"""Switches that are closed while all is well; a cut wire then reads as open. `contact` follows the leaf."""
PULSES_KEPT: Final = 10_000
PRESS_MAX_S: Final = 60.0

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class CableConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A cable from 127.0.0.1:`port` (0 = any free one) to the broker."""

    target_port: Port
    target_host: str = "127.0.0.1"
    port: Port = 0


class HardwareConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`lines`: name -> BCM line. `lock` drives the strike, `contact` follows the leaf, `exit_button` is pressed by its
    verb; any other name is a plain output (`led`, `sound`) or a switch (`tamper`, `fire`), as the door claims it.

    `persist_outputs`: driven lines outlive the door's process, as on a stock Raspberry Pi kernel.
    """

    pins_socket: str
    control_socket: str
    keypad: str
    camera_port: Port = 0
    lines: dict[str, Annotated[int, msgspec.Meta(ge=0, le=27)]] = msgspec.field(default_factory=lambda: dict(LINES))
    persist_outputs: bool = False
    cable: CableConfig | None = None

    def __post_init__(self) -> None:
        if missing := {"lock", "contact", "exit_button"} - set(self.lines):
            raise ValueError(f"lines has no {', '.join(sorted(missing))}")
        if len(set(self.lines.values())) < len(self.lines):
            raise ValueError("lines uses a line twice")


class VirtualDoor:
    """One door's hardware. Everything public may be called from any thread.

    `_news` guards what the leaf and the relay do; it is taken inside the board's own lock (`_line_changed`), so it is
    never held while the board is called. `_hand` lets one person at a time move the leaf.
    """

    def __init__(self, config: HardwareConfig) -> None:
        self.config = config
        self._news = threading.Condition()
        self._hand = threading.Lock()
        self._relay = False
        self._leaf_open = False
        self._pulses: deque[list[float | None]] = deque(maxlen=PULSES_KEPT)
        self._switches: dict[str, bool] = {}
        self._rises: Counter[int] = Counter()
        self.keypad = KeypadLine(config.keypad)
        self.stream = Stream(config.camera_port)
        self.cable = (
            Cable((config.cable.target_host, config.cable.target_port), config.cable.port) if config.cable else None
        )
        self.board = VirtualBoard(
            config.pins_socket, persist_outputs=config.persist_outputs, on_change=self._line_changed
        )
        for name in CLOSED_AT_REST & set(config.lines):
            self.board.switch(config.lines[name], closed=True)
        self._verbs: dict[str, Callable[..., Reply | None]] = {
            "keys": self.keys,
            "show": self.show,
            "hide": self.stream.hide,
            "push": lambda **arguments: {"result": self.push(**arguments)},
            "pull_inside": self.pull_inside,
            "close_leaf": self.close_leaf,
            "exit_button": self.exit_button,
            "switch": self.switch,
            "plug_keypad": self.keypad.plug,
            "plug_camera": self.stream.plug,
            "cut": lambda silent=False: self._the_cable().cut(silent),
            "mend": lambda: self._the_cable().mend(),
            "state": self.state,
            "history": lambda name: {"changes": self.history(name)},
        }
        self.control = ControlServer(config.control_socket, self._perform)

    def close(self) -> None:
        """Take everything down, the door's connections included."""
        self.control.close()
        self.board.close()
        self.stream.close()
        self.keypad.close()
        if self.cable is not None:
            self.cable.close()

    def keys(self, keys: str, interval_s: float = 0.05) -> None:
        """Type on the keypad."""
        self.keypad.press(keys, interval_s)

    def show(self, image: str | None = None, image_base64: str | None = None, seconds: float | None = None) -> None:
        """Hold a picture up to the camera: a file's path, or its bytes in Base64. Raises `ValueError`, `OSError`."""
        if (image is None) == (image_base64 is None):
            raise ValueError("give image or image_base64")
        if image is not None:
            with open(image, "rb") as file:
                data = file.read(PICTURE_BYTES_MAX + 1)
        else:
            data = _from_base64(str(image_base64))
        self.stream.show(decode_picture(data), seconds)

    def push(self, wait_s: float = 0.0, force: bool = False) -> str:
        """Push the leaf from outside, leaning on it for `wait_s`. With `force` a locked leaf gives way at once."""
        if not force:
            with self._news:
                self._news.wait_for(lambda: self._relay or self._leaf_open, wait_s)
        with self._hand:
            if self._leaf_open:
                return "open already"
            released = self._relay
            if not (released or force):
                return "locked"
            self._move_leaf(True)
            return "opened" if released else "forced"

    def pull_inside(self) -> None:
        """The inside handle opens whatever the relay does."""
        with self._hand:
            self._move_leaf(True)

    def close_leaf(self) -> None:
        """The leaf falls shut."""
        with self._hand:
            self._move_leaf(False)

    def exit_button(self, seconds: float = 0.2) -> None:
        """Press the exit button, let go after `seconds`."""
        if not 0 <= seconds <= PRESS_MAX_S:
            raise ValueError(f"a press lasts at most {PRESS_MAX_S} s")
        self.switch("exit_button", True)
        sleep(seconds)
        self.switch("exit_button", False)

    def switch(self, name: str, closed: bool) -> None:
        """Close (to ground) or open the switch on a named line. `contact` belongs to the leaf."""
        if name == "contact":
            raise ValueError("the contact follows the leaf: push, pull_inside or close_leaf")
        self.board.switch(self.config.lines[name], closed)
        self._switches[name] = closed

    def history(self, name: str) -> list[tuple[float, bool]]:
        """Level changes of a named line: monotonic seconds, high."""
        return [(change.at_s, change.high) for change in self.board.history(self.config.lines[name])]

    def state(self) -> Reply:
        """`pulses`: relay on and off in monotonic seconds of this machine (`now_s` is now), off None while on;
        `lines`: level by name, all low without power; `rises`: how often each went high, for flashes too short to be
        seen; `switches`: those somebody has moved, true = closed; `controller`: a door has its pins open.
        """
        lines = {name: self.board.high(pin) for name, pin in self.config.lines.items()}
        with self._news:
            return {
                "now_s": monotonic(),
                "controller": self.board.connected,
                "relay": self._relay,
                "leaf": "open" if self._leaf_open else "closed",
                "lines": lines,
                "rises": {name: self._rises[pin] for name, pin in self.config.lines.items()},
                "switches": dict(self._switches),
                "pulses": [list(pulse) for pulse in self._pulses],
                "showing": self.stream.showing,
                "keypad": self.keypad.plugged,
                "camera": self.stream.plugged,
                "cable": None if self.cable is None else self.cable.whole,
                **self.addresses(),
            }

    def addresses(self) -> Reply:
        """Where the door finds its hardware."""
        return {
            "pins_socket": self.config.pins_socket,
            "control_socket": self.config.control_socket,
            "keypad_device": self.config.keypad,
            "camera_url": self.stream.url,
            "cable_port": None if self.cable is None else self.cable.port,
        }

    def _perform(self, verb: str, arguments: dict[str, Any]) -> Reply:
        if verb not in self._verbs:
            raise ValueError(f"no verb {verb!r}; there are: {', '.join(self._verbs)}")
        return self._verbs[verb](**arguments) or {}

    def _the_cable(self) -> Cable:
        if self.cable is None:
            raise ValueError("this door has no cable")
        return self.cable

    def _move_leaf(self, to_open: bool) -> None:
        with self._news:
            self._leaf_open = to_open
            self._news.notify_all()
        self.board.switch(self.config.lines["contact"], closed=not to_open)

    def _line_changed(self, change: Change) -> None:
        with self._news:
            if change.high:
                self._rises[change.pin] += 1
            if change.pin != self.config.lines["lock"]:
                return
            self._relay = change.high
            if change.high:
                self._pulses.append([change.at_s, None])
            else:
                self._pulses[-1][1] = change.at_s
            self._news.notify_all()


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as cause:
        raise ValueError("image_base64 is not Base64") from cause


def _configured(arguments: Sequence[str] | None) -> HardwareConfig:
    parser = argparse.ArgumentParser(prog="simulator.hardware", description="The hardware of one virtual door.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--config", type=Path, help="TOML file with the fields of HardwareConfig")
    source.add_argument("--directory", type=Path, help="put pins.sock, control.sock and keypad here")
    parser.add_argument("--camera-port", type=int, default=0, help="default: any free one")
    parser.add_argument("--line", action="append", default=[], metavar="NAME=BCM", help="one more line, or a moved one")
    parser.add_argument("--persist-outputs", action="store_true", help="driven lines outlive the door's process")
    parser.add_argument("--cable-to", metavar="HOST:PORT", help="the broker behind the network cable")
    parser.add_argument("--cable-port", type=int, default=0, help="default: any free one")
    given = parser.parse_args(arguments)
    try:
        if given.config:
            return msgspec.toml.decode(given.config.read_bytes(), type=HardwareConfig)
        fields: dict[str, Any] = {
            "pins_socket": str(given.directory / "pins.sock"),
            "control_socket": str(given.directory / "control.sock"),
            "keypad": str(given.directory / "keypad"),
            "camera_port": given.camera_port,
            "lines": LINES | {name: int(bcm) for name, _, bcm in (line.partition("=") for line in given.line)},
            "persist_outputs": given.persist_outputs,
        }
        if given.cable_to:
            host, _, port = given.cable_to.rpartition(":")
            fields["cable"] = {"target_host": host, "target_port": int(port), "port": given.cable_port}
        return msgspec.convert(fields, HardwareConfig)
    except (OSError, ValueError) as cause:  # msgspec's errors are ValueErrors
        parser.error(str(cause))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until SIGTERM or SIGINT."""
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    door = VirtualDoor(_configured(arguments))
    try:
        print(json.dumps(door.addresses()), flush=True)
        over.wait()
    finally:
        door.close()


if __name__ == "__main__":
    main()
