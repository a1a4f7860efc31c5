"""A buzzer with a tone of its own (an active buzzer) on one GPIO line: the sounds are rhythms.

Every key clicks alike, so that nobody learns a digit by listening, and no answer sounds like another one that is heard
only half: long means yes, short means no, and more of them means longer trouble (EN 301 549: what is shown is heard).
"""

from typing import Annotated, Final

import msgspec
from gpiozero import DigitalOutputDevice

from hal.errors import DeviceMissing, HardwareFault, translated
from hal.pins import Board
from hal.ports import Sound, SoundName
from hal.rhythm import Player, Rhythm, blinks

BREAK_MS: Final = 10
"""Silence before a sound, so that a click right behind another one is a second click and not a longer one."""


def beeps(*on_off_ms: int) -> Rhythm[bool]:
    """On, off, on, ... for that many ms each, after a short break."""
    return Rhythm(((False, BREAK_MS), *blinks(*on_off_ms).steps))


RHYTHMS: Final[dict[SoundName, Rhythm[bool]]] = {
    "key": beeps(25),
    "granted": beeps(700),  # one long: push
    "refused": beeps(120, 120, 120, 120, 120),  # three short
    "wait": beeps(350, 250, 350),  # two longer ones: no PIN is taken for a while
    "fault": beeps(50, 50, 50, 50, 50, 50, 50, 50, 50),  # a rattle of five
    "silence": blinks(),
}


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`pin`: BCM line. `active_low`: the buzzer sits between the supply and the line."""

    pin: Annotated[int, msgspec.Meta(ge=0, le=27)]
    active_low: bool = False

    def pins(self) -> dict[str, int]:
        """Setting name -> BCM line."""
        return {"pin": self.pin}


def open(settings: Settings, board: Board) -> Sound:
    """Claim the line, silent. Raises `DeviceMissing` or `BoardFault`."""
    return GpioSound(settings, board)


class GpioSound:
    """See `hal.ports.Sound`."""

    def __init__(self, settings: Settings, board: Board) -> None:
        factory = board.factory()
        with translated(DeviceMissing, f"buzzer on GPIO {settings.pin}"):
            self._buzzer = DigitalOutputDevice(
                settings.pin, active_high=not settings.active_low, initial_value=False, pin_factory=factory
            )
        self._player = Player(f"buzzer on GPIO {settings.pin}", self._write, False)

    def play(self, sound: SoundName) -> None:
        """Start a sound. Raises `HardwareFault` when the line can no longer be written."""
        if sound not in RHYTHMS:
            raise ValueError(f"no sound {sound!r}; there are: {', '.join(RHYTHMS)}")
        self._player.play(RHYTHMS[sound])

    def close(self) -> None:
        """Silent; the line becomes an input."""
        self._player.close()
        if self._buzzer.closed:
            return
        with translated(HardwareFault, "buzzer cannot be closed"):
            self._buzzer.off()
            self._buzzer.close()

    def _write(self, on: bool) -> None:
        self._buzzer.value = on
