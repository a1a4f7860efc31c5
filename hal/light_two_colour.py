"""A LED with two colours, green and red, on two GPIO lines; both together are amber.

The rhythms are those of the one-LED light: nothing is told by colour alone (EN 301 549).
"""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from gpiozero import DigitalOutputDevice

from hal.errors import DeviceMissing, HardwareFault, translated
from hal.light_gpio import rhythm_of
from hal.pins import Board
from hal.ports import Light, Signal
from hal.rhythm import Player, Rhythm

Colour: TypeAlias = Literal["dark", "green", "red", "amber"]

COLOURS: Final[dict[Signal, Colour]] = {
    "idle": "green",
    "granted": "green",
    "refused": "red",
    "wait": "amber",
    "fault": "red",
    "off": "dark",
}
GREEN: Final = frozenset({"green", "amber"})
RED: Final = frozenset({"red", "amber"})


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`green`, `red`: BCM lines. `active_low`: common anode, the LED sits between 3.3 V and the lines."""

    green: Annotated[int, msgspec.Meta(ge=0, le=27)]
    red: Annotated[int, msgspec.Meta(ge=0, le=27)]
    active_low: bool = False

    def pins(self) -> dict[str, int]:
        """Setting name -> BCM line."""
        return {"green": self.green, "red": self.red}


def open(settings: Settings, board: Board) -> Light:
    """Claim both lines, dark. Raises `DeviceMissing` or `BoardFault`."""
    return TwoColourLight(settings, board)


def rhythm_in_colour(signal: Signal) -> Rhythm[Colour]:
    """The rhythm of a signal with its colour where it is lit. Raises ValueError."""
    rhythm, colour = rhythm_of(signal), COLOURS[signal]
    steps: list[tuple[Colour, int]] = [(colour if lit else "dark", length_ms) for lit, length_ms in rhythm.steps]
    return Rhythm(tuple(steps), rhythm.forever)


class TwoColourLight:
    """See `hal.ports.Light`."""

    def __init__(self, settings: Settings, board: Board) -> None:
        factory = board.factory()
        self._leds: list[DigitalOutputDevice] = []
        try:
            for colour, line in settings.pins().items():
                with translated(DeviceMissing, f"{colour} LED on GPIO {line}"):
                    self._leds.append(
                        DigitalOutputDevice(
                            line, active_high=not settings.active_low, initial_value=False, pin_factory=factory
                        )
                    )
        except DeviceMissing:
            self._give_back()
            raise
        self._player = Player[Colour]("two-colour LED", self._write, "dark")

    def show(self, signal: Signal) -> None:
        """Start a signal. Raises `HardwareFault` when a line can no longer be written."""
        self._player.play(rhythm_in_colour(signal))

    def close(self) -> None:
        """Dark; the lines become inputs."""
        self._player.close()
        self._give_back()

    def _give_back(self) -> None:
        with translated(HardwareFault, "two-colour LED cannot be closed"):
            for led in self._leds:
                if not led.closed:
                    led.off()
                    led.close()

    def _write(self, colour: Colour) -> None:
        green, red = self._leds
        green.value, red.value = colour in GREEN, colour in RED
