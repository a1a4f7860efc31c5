"""One LED on a GPIO line: the signals are rhythms."""

from typing import Annotated, Final

import msgspec
from gpiozero import DigitalOutputDevice

from hal.errors import DeviceMissing, HardwareFault, translated
from hal.pins import Board
from hal.ports import Light, Signal
from hal.rhythm import Player, Rhythm, blinks

RHYTHMS: Final[dict[Signal, Rhythm[bool]]] = {
    "idle": blinks(40, 2960, forever=True),  # a sign of life
    "granted": blinks(1000, forever=True),  # steady, until the next signal
    "refused": blinks(150, 150, 150, 150, 150, 150),  # three blinks
    "wait": blinks(500, 500, forever=True),
    "fault": blinks(100, 150, 100, 1650, forever=True),  # a pair every 2 s
    "off": blinks(),
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


def rhythm_of(signal: Signal) -> Rhythm[bool]:
    """The rhythm of a signal, the same for every light. Raises ValueError."""
    if signal not in RHYTHMS:
        raise ValueError(f"no signal {signal!r}; there are: {', '.join(RHYTHMS)}")
    return RHYTHMS[signal]


class GpioLight:
    """See `hal.ports.Light`."""

    def __init__(self, settings: Settings, board: Board) -> None:
        factory = board.factory()
        with translated(DeviceMissing, f"LED on GPIO {settings.pin}"):
            self._led = DigitalOutputDevice(
                settings.pin, active_high=not settings.active_low, initial_value=False, pin_factory=factory
            )
        self._player = Player(f"LED on GPIO {settings.pin}", self._write, False)

    def show(self, signal: Signal) -> None:
        """Start a signal. Raises `HardwareFault` when the line can no longer be written."""
        self._player.play(rhythm_of(signal))

    def close(self) -> None:
        """Dark; the line becomes an input."""
        self._player.close()
        if self._led.closed:
            return
        with translated(HardwareFault, "LED cannot be closed"):
            self._led.off()
            self._led.close()

    def _write(self, lit: bool) -> None:
        self._led.value = lit
