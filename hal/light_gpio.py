"""One LED on a GPIO line: the signals are rhythms.

A thread plays the rhythm; `show` only names the next one.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from gpiozero import DigitalOutputDevice

from hal.errors import DeviceMissing, HardwareFault, translated
from hal.pins import Board
from hal.ports import Light, Signal


@dataclass(frozen=True)
class Rhythm:
    """Alternately lit and dark, lit first, in ms; none is dark. `forever`: begin again, else stay as it ended."""

    steps_ms: Sequence[int]
    forever: bool


RHYTHMS: Final[dict[Signal, Rhythm]] = {
    "idle": Rhythm((40, 2960), True),  # a sign of life
    "granted": Rhythm((1000,), True),  # steady, until the next signal
    "refused": Rhythm((150, 150, 150, 150, 150, 150), False),  # three blinks
    "wait": Rhythm((500, 500), True),
    "fault": Rhythm((100, 150, 100, 1650), True),  # a pair every 2 s
    "off": Rhythm((), False),
}


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`pin`: BCM line. `active_low`: the LED sits between 3.3 V and the line."""

    pin: Annotated[int, msgspec.Meta(ge=0, le=27)]
    active_low: bool = False

    def pins(self) -> dict[str, int]:
        """Setting name -> BCM line."""
        return {"pin": self.pin}


def open(settings: Settings, board: Board) -> Light:
    """Claim the line, dark. Raises `DeviceMissing` or `BoardFault`."""
    return GpioLight(settings, board)


class GpioLight:
    """See `hal.ports.Light`."""

    def __init__(self, settings: Settings, board: Board) -> None:
        factory = board.factory()
        with translated(DeviceMissing, f"LED on GPIO {settings.pin}"):
            self._led = DigitalOutputDevice(
                settings.pin, active_high=not settings.active_low, initial_value=False, pin_factory=factory
            )
        self._changed = threading.Condition()
        self._rhythm = RHYTHMS["off"]
        self._turn = 0
        self._closed = False
        self._fault: Exception | None = None
        self._player = threading.Thread(target=self._play, name=f"light-{settings.pin}", daemon=True)
        self._player.start()

    def show(self, signal: Signal) -> None:
        """Start a signal. Raises `HardwareFault` when the line can no longer be written."""
        if signal not in RHYTHMS:
            raise ValueError(f"no signal {signal!r}; there are: {', '.join(RHYTHMS)}")
        with self._changed:
            if self._fault is not None:
                raise HardwareFault(f"LED cannot be written: {self._fault}") from self._fault
            self._rhythm = RHYTHMS[signal]
            self._turn += 1
            self._changed.notify()

    def close(self) -> None:
        """Dark; the line becomes an input."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify()
        self._player.join()
        with translated(HardwareFault, "LED cannot be closed"):
            self._led.off()
            self._led.close()

    def _play(self) -> None:
        with self._changed:
            try:
                while not self._closed:
                    self._play_once()
            except Exception as cause:  # whatever the backend throws; `show` tells the caller
                self._fault = cause

    def _play_once(self) -> None:
        """One pass through the rhythm; cut short by the next signal. Holds the condition except while it waits."""
        turn, rhythm = self._turn, self._rhythm
        if not rhythm.steps_ms:
            self._led.off()
        for step, length_ms in enumerate(rhythm.steps_ms):
            lit = step % 2 == 0
            if bool(self._led.value) != lit:
                self._led.value = lit
            if self._changed.wait_for(lambda: self._closed or self._turn != turn, length_ms / 1000):
                return
        if not rhythm.forever:
            self._changed.wait_for(lambda: self._closed or self._turn != turn)
