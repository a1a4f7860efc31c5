"""The far ends of the keypad drivers: what a finger presses on, for the contract suite.

Each has the driver's `settings` and the `board` it is opened on; `press` types, one key after the other; `plug` pulls
the cable or puts it back, where the wires can tell (`unpluggable`).
"""

import os
import secrets
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any, ClassVar

import osdp
import pytest

from hal import keypad_usb
from hal.pins import Board
from simulator.keypad_line import KeypadLine
from simulator.pins import VirtualBoard, VirtualFactory
from tests.hal.bench import MockBench


class SerialPad:
    """ASCII over a pty."""

    unpluggable: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        self._line = KeypadLine(folder / "keypad")
        self.board = Board()
        self.settings: dict[str, Any] = {"device": str(folder / "keypad")}
        self.press = lambda keys: self._line.press(keys, 0)
        self.plug = self._line.plug
        self.close = self._line.close


class MatrixPad:
    """Keys that connect rows and columns of a virtual board: its own, or the one a whole unit is wired to."""

    unpluggable: ClassVar[bool] = False
    rows = (5, 6, 13, 19)
    columns = (26, 12, 4)
    layout = ("123", "456", "789", "*0#")

    def __init__(self, folder: Path, outside: VirtualBoard | None = None) -> None:
        self._own = outside is None
        self.outside = outside or VirtualBoard(folder / "pins.sock")
        self.board = Board.around(VirtualFactory(folder / "pins.sock")) if self._own else Board("virtual")
        self.settings: dict[str, Any] = {"rows": self.rows, "columns": self.columns, "debounce_ms": 10}

    def hold(self, key: str, down: bool) -> None:
        row = next(place for place, keys in enumerate(self.layout) if key in keys)
        self.outside.join(self.rows[row], self.columns[self.layout[row].index(key)], down)

    def press(self, keys: str) -> None:
        for key in keys:
            for down in (True, False):
                self.hold(key, down)
                sleep(0.25)  # several scans, also on a machine that plays worlds beside

    def close(self) -> None:
        if self._own:
            self.board.close()
            self.outside.close()


class WiegandPad:
    """Pulses on two lines of gpiozero's mock, which makes them without delay, or of the board a whole unit is wired to,
    which needs a wider gap."""

    unpluggable: ClassVar[bool] = False
    d0, d1 = 5, 6

    def __init__(self, folder: Path, outside: VirtualBoard | None = None) -> None:
        self._own = outside is None
        self._gap_ms = 60 if self._own else 200
        bench = MockBench()
        self.board = bench.board if self._own else Board("virtual")
        self._drive = bench.drive if outside is None else lambda line, high: outside.switch(line, closed=not high)
        self.settings: dict[str, Any] = {"d0": self.d0, "d1": self.d1, "gap_ms": self._gap_ms}

    def send(self, bits: str) -> None:
        for bit in bits:
            line = self.d1 if bit == "1" else self.d0
            self._drive(line, False)
            self._drive(line, True)
        sleep(1.5 * self._gap_ms / 1000)

    def press(self, keys: str) -> None:
        for key in keys:
            self.send(f"{'0123456789*#'.index(key):04b}")

    def close(self) -> None:
        if self._own:
            self.board.close()


class OsdpPad:
    """libosdp's own peripheral device behind a pty."""

    unpluggable: ClassVar[bool] = True
    ADDRESS: ClassVar[int] = 5

    def __init__(self, folder: Path, can: tuple[int, ...] = (osdp.Capability.LEDControl,)) -> None:
        self.board = Board()
        self.key = secrets.token_bytes(16)
        self._can = can
        self.orders: list[dict[str, Any]] = []
        self.link = folder / "osdp"
        self.key_file = folder / "osdp.key"
        self.key_file.write_text(self.key.hex())
        self.settings: dict[str, Any] = {
            "device": str(self.link),
            "key_file": str(self.key_file),
            "address": self.ADDRESS,
        }
        self._far = self._near = -1
        self._stop = threading.Event()
        self.plug(True)

    def plug(self, plugged: bool) -> None:
        if plugged:
            self._far, self._near = os.openpty()
            tty.setraw(self._near)
            os.set_blocking(self._far, False)
            self.link.unlink(missing_ok=True)
            self.link.symlink_to(os.ttyname(self._near))
            self.start()
        elif self._far >= 0:
            self.stop()
            self.link.unlink()
            os.close(self._near)
            os.close(self._far)
            self._far = -1

    def start(self) -> None:
        """Power on. A real line keeps nothing; a pty does."""
        FarChannel(self._far).read(1 << 16)
        capabilities = [(each, 1, 1) for each in (osdp.Capability.CommunicationSecurity, *self._can)]
        flags = [osdp.LibFlag.EnforceSecure]
        self._device = osdp.PeripheralDevice(
            osdp.PDInfo(self.ADDRESS, FarChannel(self._far), scbk=self.key, flags=flags),
            osdp.PDCapabilities(capabilities),
            log_level=osdp.LogLevel.Emergency,
        )
        self._device.ctx.set_command_callback(self._ordered)
        self._stop.clear()
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _ordered(self, order: dict[str, Any]) -> tuple[int, None]:
        self.orders.append(order)
        return 0, None

    def stop(self) -> None:
        """Power off: the line stays, nobody answers."""
        self._stop.set()
        self._thread.join()

    def send(self, data: bytes) -> None:
        """One keypad event."""
        with self._guard:
            self._device.ctx.submit_event({"event": osdp.Event.KeyPress, "reader_no": 0, "data": data})

    def press(self, keys: str) -> None:
        for key in keys:
            self.send({"#": b"\x0d", "*": b"\x7f"}.get(key, key.encode()))

    def close(self) -> None:
        self.plug(False)

    def _run(self) -> None:
        while not self._stop.wait(0.005):
            with self._guard:
                self._device.ctx.refresh()


class FarChannel(osdp.Channel):  # type: ignore[misc]
    """The device's end of the pty."""

    def __init__(self, far: int) -> None:
        super().__init__()
        self._far = far

    def read(self, max_bytes: int) -> bytes:
        try:
            return os.read(self._far, max_bytes)
        except OSError:
            return b""

    def write(self, data: bytes) -> int:
        try:
            return os.write(self._far, data)
        except OSError:
            return 0

    def flush(self) -> None:
        """Nothing to do."""


class UsbPad:
    """Raw `struct input_event` through a fifo in the place of the device; the kernel's requests are left out."""

    unpluggable: ClassVar[bool] = True
    CODES: ClassVar[dict[str, int]] = {
        **dict(zip("7894561230", (71, 72, 73, 75, 76, 77, 79, 80, 81, 82), strict=True)),
        "#": 96,
        "*": 55,
    }

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.board = Board()
        self._fifo = folder / "event"
        self._far = -1
        self._at_us = 0
        self.settings: dict[str, Any] = {
            "device": "/dev/input/by-path/platform-usb-0:1.2:1.0-event-kbd",
            "vendor": 0x046D,
            "product": 0xC31C,
        }
        really_open = os.open
        monkeypatch.setattr(keypad_usb, "take", lambda _fd, _settings: None)
        monkeypatch.setattr(
            os,
            "open",
            lambda path, *more: really_open(self._fifo if path == self.settings["device"] else path, *more),
        )
        self.plug(True)

    def plug(self, plugged: bool) -> None:
        if plugged:
            os.mkfifo(self._fifo)
            # Reading and writing, so that it opens without a reader. The kernel drops what nobody has open; so do we.
            self._far = os.open(self._fifo, os.O_RDWR | os.O_NONBLOCK)
        elif self._far >= 0:
            self._fifo.unlink()
            os.close(self._far)
            self._far = -1

    def press(self, keys: str) -> None:
        for key in keys:
            for value in (1, 0):
                os.write(self._far, self.event(1, self.CODES[key], value) + self.event(0, 0, 0))

    def event(self, kind: int, code: int, value: int) -> bytes:
        self._at_us += 40_000
        return keypad_usb.EVENT.pack(*divmod(self._at_us, 1_000_000), kind, code, value)

    def close(self) -> None:
        self.plug(False)


FarEnd = SerialPad | MatrixPad | WiegandPad | OsdpPad | UsbPad


@contextmanager
def far_end_of(driver: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FarEnd]:
    """The far end for a driver's name; KeyError says that one is missing here."""
    far_ends: dict[str, Callable[[], FarEnd]] = {
        "serial": lambda: SerialPad(folder),
        "matrix": lambda: MatrixPad(folder),
        "wiegand": lambda: WiegandPad(folder),
        "osdp": lambda: OsdpPad(folder),
        "usb": lambda: UsbPad(folder, monkeypatch),
    }
    made = far_ends[driver]()
    try:
        yield made
    finally:
        made.close()
