"""A USB number pad through the kernel's event interface, taken for ourselves alone.

Bound twice, to the socket it is plugged into (`device`, a name under /dev/input/by-path) and to what it says it is
(`vendor`, `product`): a second keyboard, or another one in the same socket, is not read. Grabbed, so that what is typed
goes nowhere else. The three requests to the kernel are made here: the package `evdev` comes as source only, and a door
unit has no compiler.

`Decoder` is pure: bytes of `struct input_event` in, symbols out.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections import deque
from typing import Annotated, Final

import msgspec

from hal.errors import DeviceLost, DeviceMissing, translated
from hal.pins import Board
from hal.ports import Keypad

# linux/input.h: type, number and size of a request make its code.
_READ, _WRITE = 2 << 30, 1 << 30
EVIOCGID: Final = _READ | 8 << 16 | ord("E") << 8 | 0x02
EVIOCGRAB: Final = _WRITE | 4 << 16 | ord("E") << 8 | 0x90
EVIOCSCLOCKID: Final = _WRITE | 4 << 16 | ord("E") << 8 | 0xA0

EVENT: Final = struct.Struct("@llHHi")
"""Seconds, microseconds, type, code, value; native, 24 bytes on a 64-bit system and 16 on a 32-bit one."""
EV_SYN, EV_KEY = 0, 1
SYN_REPORT, SYN_DROPPED = 0, 3
RELEASED, PRESSED = 0, 1  # and 2, a repetition while it is held, which is no press

SHIFTS: Final = frozenset({42, 54})
DIGITS: Final = {
    **{2 + place: symbol for place, symbol in enumerate("1234567890")},  # the row above the letters
    **dict(zip((71, 72, 73, 75, 76, 77, 79, 80, 81, 82), "7894561230", strict=True)),  # the number pad
}
OTHERS: Final = {
    28: "#",  # Enter
    96: "#",  # Enter of the number pad
    1: "*",  # Escape
    14: "*",  # Backspace
    55: "*",  # * of the number pad
    111: "*",  # Delete
}
SHIFTED: Final = {4: "#", 9: "*"}  # a telephone-style pad types # and * as an American keyboard does

FLOOD_PRESSES: Final = 50
"""More presses than this in a second are no person's. A fast typist reaches 15."""
READ_BYTES: Final = 64 * EVENT.size

UsbId = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`device`: its name under /dev/input/by-path, which is its socket. `vendor`, `product`: as `lsusb` shows them,
    `0x046d`."""

    device: Annotated[str, msgspec.Meta(pattern=r"^/dev/input/by-path/[\w:.@-]+$", max_length=255)]
    vendor: UsbId
    product: UsbId


def open(settings: Settings, _board: Board | None = None) -> Keypad:
    """Take the pad. Raises `DeviceMissing` when it is absent, is another device, or is held by somebody else."""
    return UsbKeypad(settings)


class Decoder:
    """`ignored` counts presses of keys that mean nothing. Raises `DeviceLost` on a flood."""

    def __init__(self) -> None:
        self.ignored = 0
        self._rest = b""
        self._shifts: set[int] = set()
        self._dropped = False
        self._presses_us: deque[int] = deque(maxlen=FLOOD_PRESSES)

    def feed(self, data: bytes) -> list[str]:
        """Symbols in `data`, in order. Any split of a stream into calls gives the same symbols."""
        data = self._rest + data
        whole = len(data) - len(data) % EVENT.size
        self._rest = data[whole:]
        symbols = []
        for seconds, us, kind, code, value in EVENT.iter_unpack(data[:whole]):
            symbol = self._event(kind, code, value, seconds * 1_000_000 + us)
            if symbol is not None:
                symbols.append(symbol)
        return symbols

    def _event(self, kind: int, code: int, value: int, at_us: int) -> str | None:
        if kind == EV_SYN and code == SYN_DROPPED:
            # The kernel lost events for us: what was typed so far lacks a key, and is cleared.
            self._dropped = True
            self._shifts.clear()
            return "*"
        if self._dropped:
            self._dropped = not (kind == EV_SYN and code == SYN_REPORT)
            return None
        if kind != EV_KEY:
            return None
        if code in SHIFTS:
            (self._shifts.discard if value == RELEASED else self._shifts.add)(code)
            return None
        return self._pressed(code, at_us) if value == PRESSED else None

    def _pressed(self, code: int, at_us: int) -> str | None:
        if len(self._presses_us) == FLOOD_PRESSES and at_us - self._presses_us[0] < 1_000_000:
            raise DeviceLost(f"keypad sends more than {FLOOD_PRESSES} keys a second")
        self._presses_us.append(at_us)
        symbol = SHIFTED.get(code) if self._shifts else DIGITS.get(code) or OTHERS.get(code)
        if symbol is None:
            self.ignored += 1
        return symbol


class UsbKeypad:
    """See `hal.ports.Keypad`."""

    def __init__(self, settings: Settings) -> None:
        self._decoder = Decoder()
        self._fd: int | None = None
        with translated(DeviceMissing, f"keypad {settings.device}"):
            self._fd = os.open(settings.device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            take(self._fd, settings)
        except DeviceMissing:
            self.close()
            raise

    @property
    def ignored(self) -> int:
        """Presses of keys that mean nothing."""
        return self._decoder.ignored

    def fileno(self) -> int:
        """The device itself."""
        assert self._fd is not None
        return self._fd

    def read(self) -> list[str]:
        """Symbols that have arrived. Raises `DeviceLost` when the pad was unplugged or floods us."""
        with translated(DeviceLost, "keypad lost"):
            try:
                data = os.read(self.fileno(), READ_BYTES)
            except BlockingIOError:
                return []
            if not data:
                raise DeviceLost("keypad lost: end of file")
            return self._decoder.feed(data)

    def close(self) -> None:
        """Let go of it; the kernel ends the grab with the descriptor."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def take(fd: int, settings: Settings) -> None:
    """Make sure an open device is the right one, grab it, and have its times from a steady clock. Raises
    `DeviceMissing`."""
    with translated(DeviceMissing, f"keypad {settings.device}"):
        identity = fcntl.ioctl(fd, EVIOCGID, bytes(8))
        _bus, vendor, product, _version = struct.unpack("@HHHH", identity)
        if (vendor, product) != (settings.vendor, settings.product):
            raise DeviceMissing(f"keypad {settings.device} is another device: {vendor:04x}:{product:04x}")
        fcntl.ioctl(fd, EVIOCGRAB, 1)
        fcntl.ioctl(fd, EVIOCSCLOCKID, struct.pack("@i", time.CLOCK_MONOTONIC))
