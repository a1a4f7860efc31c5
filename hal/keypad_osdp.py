"""A keypad that speaks OSDP v2 over RS-485, with Secure Channel and nothing less (package `libosdp`).

Each unit and keypad share a key of 16 bytes, written as 32 hexadecimal digits in `key_file`; without it, or with
another, the keypad never comes up, which is a fault and not a keypad that speaks in clear. The specification's default
key is known to everybody and refused.

libosdp leaves a device that fell silent, or answered what it did not like, alone for 300 s. A keypad is not left alone
here: when the channel falls, that is a `DeviceLost`, and opening anew begins anew.
"""

from __future__ import annotations

import threading
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, Final, Literal

import msgspec
import osdp
import serial

from hal.errors import DeviceLost, DeviceMissing, translated
from hal.mailbox import Mailbox, received
from hal.osdp_front import Colour, Lamp, Order, Tone, front_of
from hal.pins import Board
from hal.ports import Keypad

REFRESH_S: Final = 0.02
"""libosdp wants at least every 50 ms."""
UP_S: Final = 4.0
"""Longest wait for the channel; a healthy keypad needs 0.3 to 1 s."""
SETTLE_S: Final = 0.2
"""Keys pressed before the channel was up arrive right after, one a poll. This long without one, they are through."""
STATUS: Final = frozenset({osdp.EventNotification.SecureChannelStatus, osdp.EventNotification.PeripheralDeviceStatus})
"""Notifications whose first argument says whether something is up."""
COLOURS: Final[dict[Colour, int]] = {
    "dark": osdp.CommandLEDColor.Black,
    "green": osdp.CommandLEDColor.Green,
    "red": osdp.CommandLEDColor.Red,
    "amber": osdp.CommandLEDColor.Amber,
}
DEFAULT_KEY: Final = bytes(range(0x30, 0x40))
SYMBOLS: Final = {**{ord(symbol): symbol for symbol in "0123456789#*"}, 0x0D: "#", 0x7F: "*"}


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`device`: path of the RS-485 line. `address`: the keypad's. `key_file`: path of the Secure Channel key."""

    device: Annotated[str, msgspec.Meta(pattern="^/", max_length=255)]
    key_file: Annotated[str, msgspec.Meta(pattern="^/", max_length=255)]
    address: Annotated[int, msgspec.Meta(ge=0, le=126)] = 0
    baud: Literal[9600, 19200, 38400, 57600, 115200] = 9600


def open(settings: Settings, _board: Board | None = None) -> Keypad:
    """Bring the channel up; takes up to `UP_S`. Raises `DeviceMissing` when it does not come."""
    return OsdpKeypad(settings)


def read_key(path: Path) -> bytes:
    """The 16 bytes in a key file. Raises `DeviceMissing`."""
    try:
        key = bytes.fromhex(path.read_text("ascii"))
    except (OSError, ValueError) as cause:
        raise DeviceMissing(f"OSDP key {path} cannot be read: {type(cause).__name__}") from None
    if len(key) != 16:
        raise DeviceMissing(f"OSDP key {path} has {len(key)} bytes, not 16")
    if key == DEFAULT_KEY:
        raise DeviceMissing(f"OSDP key {path} is the specification's default, which everybody knows")
    return key


def symbols_of(data: bytes) -> list[str]:
    """The symbols in a keypad event: digits, ENTER (0x0D) is `#`, CANCEL (0x7F) is `*`; what is no key is left out."""
    return [SYMBOLS[byte] for byte in data if byte in SYMBOLS]


def command_of(order: Order) -> dict[str, Any]:
    """An order as libosdp wants it: for good, until the next one; times are in 100 ms."""
    if isinstance(order, Lamp):
        lit = {"on_count": 1, "off_count": 0, "on_color": COLOURS[order.colour], "off_color": COLOURS[order.colour]}
        return {
            "command": osdp.Command.LED,
            "reader": 0,
            "led_number": 0,
            "control_code": 1,
            "timer_count": 0,
            "temporary": False,
            **lit,
        }
    tone = {"control_code": 2, "on_count": 255, "off_count": 0} if order.on else {"control_code": 1, "on_count": 0}
    return {"command": osdp.Command.Buzzer, "reader": 0, "off_count": 0, "rep_count": 0 if order.on else 1, **tone}


class _Channel(osdp.Channel):  # type: ignore[misc]
    """The line as libosdp wants it. A line that is gone reads as silence; `lost` tells why."""

    def __init__(self, line: serial.Serial) -> None:
        super().__init__()
        self._line = line
        self.lost: Exception | None = None

    def read(self, max_bytes: int) -> bytes:
        try:
            return bytes(self._line.read(max_bytes))
        except (OSError, serial.SerialException, TypeError) as cause:  # TypeError: pyserial on a closed descriptor
            self.lost = cause
            return b""

    def write(self, data: bytes) -> int:
        try:
            return self._line.write(data) or 0
        except (OSError, serial.SerialException, TypeError) as cause:
            self.lost = cause
            return 0

    def flush(self) -> None:
        """Nothing: waiting for the line to drain would stretch a refresh."""


class OsdpKeypad:
    """See `hal.ports.Keypad`. A thread of ours drives the panel; nobody else touches it."""

    def __init__(self, settings: Settings) -> None:
        key = read_key(Path(settings.key_file))
        self._symbols: Mailbox[str | DeviceLost] = Mailbox()
        self._up = threading.Event()
        self._closing = threading.Event()
        self._heard_s = 0.0
        self._front = front_of(settings.device)
        self._can: frozenset[type[Order]] = frozenset()
        with translated(DeviceMissing, f"keypad on {settings.device}"):
            self._line = serial.Serial(settings.device, settings.baud, timeout=0, write_timeout=0, exclusive=True)
            self._line.reset_input_buffer()
            self._channel = _Channel(self._line)
            self._panel = osdp.ControlPanel(
                [
                    osdp.PDInfo(
                        settings.address,
                        self._channel,
                        scbk=key,
                        flags=[osdp.LibFlag.EnforceSecure, osdp.LibFlag.EnableNotification],
                    )
                ],
                log_level=osdp.LogLevel.Emergency,
            )
            # Not the package's own handler: it keeps every event, and here an event is a digit of a PIN.
            self._panel.ctx.set_event_callback(self._event)
        # The package's own thread would keep the interpreter, and with it the lock's last duty, from ending.
        self._thread = threading.Thread(target=self._drive, name=f"osdp-{settings.address}", daemon=True)
        self._thread.start()
        self._await(settings)

    def fileno(self) -> int:
        """Readable when there are symbols or a loss to tell."""
        return self._symbols.fileno()

    def read(self) -> list[str]:
        """Symbols that have arrived. Raises `DeviceLost` when the channel has fallen."""
        return received(self._symbols)

    def close(self) -> None:
        """End the channel and give the line back."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._thread.join()
        self._symbols.close()
        with translated(DeviceLost, "keypad line cannot be closed"):
            self._line.close()

    def _await(self, settings: Settings) -> None:
        """Wait for the channel, then for what was typed before it."""
        if not self._up.wait(UP_S):
            self.close()
            raise DeviceMissing(
                f"keypad on {settings.device}: no secure channel with address {settings.address} "
                "(cable, address, speed, or another key)"
            )
        self._heard_s = monotonic()
        while (rest_s := self._heard_s + SETTLE_S - monotonic()) > 0 and not self._closing.wait(rest_s):
            pass
        self._symbols.take()

    def _drive(self) -> None:
        try:
            while not self._closing.is_set() and self._channel.lost is None:
                self._panel.ctx.refresh()
                if self._up.is_set():
                    self._order()
                self._closing.wait(REFRESH_S)
            if self._channel.lost is not None:
                self._fell(str(self._channel.lost))
        except Exception as cause:  # whatever the library throws; `read` tells the caller
            self._fell(str(cause))

    def _order(self) -> None:
        """Pass on one order for light or buzzer; what the device does not list it is never asked for, since libosdp
        drops a device that answers no."""
        while (order := self._front.take()) is not None:
            if type(order) in self._can:
                self._panel.ctx.submit_command(0, command_of(order))
                return

    def _came_up(self) -> None:
        """The channel is up (the driving thread): what the device can do is known by now."""
        listed = {Lamp: osdp.Capability.LEDControl, Tone: osdp.Capability.AudibleControl}
        able = {kind: self._panel.ctx.check_capability(0, capability)[0] for kind, capability in listed.items()}
        self._can = frozenset(kind for kind, level in able.items() if level > 0)
        self._front.came_up()
        self._up.set()

    def _event(self, _device: int, event: dict[str, Any]) -> int:
        """What the panel heard (the driving thread)."""
        if event["event"] == osdp.Event.KeyPress:
            self._heard_s = monotonic()
            self._symbols.post_all(symbols_of(bytes(event["data"])))
        elif event["event"] == osdp.Event.Notification and event["type"] in STATUS:
            if event["type"] == osdp.EventNotification.SecureChannelStatus and event["arg0"]:
                self._came_up()
            elif self._up.is_set() and not event["arg0"]:
                self._fell("it went silent or answered against the protocol")
        return 0

    def _fell(self, why: str) -> None:
        self._symbols.post(DeviceLost(f"OSDP keypad lost: {why}"))
