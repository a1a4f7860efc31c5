"""Light and buzzer as one: what the person at the door is told, for the eye and for the ear.

A lamp or buzzer that breaks is a fault and no more: the door goes on deciding.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from hal.errors import HardwareFault
from hal.ports import Light, Signal, Sound, SoundName

SOUNDS: Final[dict[Signal, SoundName]] = {
    "granted": "granted",
    "refused": "refused",
    "wait": "wait",
    "fault": "fault",
}
"""What is heard beside what is shown. Nothing for `idle`: it follows an answer, and must not cut its sound."""


class Signals:
    """See `hal.ports.Light`; with a sound beside it. `silenced` keeps the buzzer quiet, so that a fire alarm is
    heard."""

    def __init__(self, light: Light | None, sound: Sound | None) -> None:
        self._light = light
        self._sound = sound
        self._failed: set[str] = set()
        self.silenced = False

    @property
    def broken(self) -> bool:
        """Whether one of them could not be driven when it was last tried."""
        return bool(self._failed)

    def show(self, signal: Signal) -> None:
        """Tell one signal."""
        self._shine(signal)
        if signal in SOUNDS:
            self._play(SOUNDS[signal])

    def blink(self, on: bool) -> None:
        """One flash of a number that is told; with a click, so that it can be counted without seeing it."""
        self._shine("granted" if on else "off")
        if on:
            self.click()

    def click(self) -> None:
        """A key was pressed; whichever it was."""
        self._play("key")

    def silence(self, on: bool) -> None:
        """Be quiet from now on, or no longer."""
        if on:
            self._play("silence")
        self.silenced = on

    def close(self) -> None:
        """Dark and silent."""
        for port in (self._light, self._sound):
            if port is not None:
                port.close()

    def _shine(self, signal: Signal) -> None:
        if self._light is not None:
            self._try("light", partial(self._light.show, signal))

    def _play(self, sound: SoundName) -> None:
        if self._sound is not None and not self.silenced:
            self._try("sound", partial(self._sound.play, sound))

    def _try(self, what: str, drive: Callable[[], None]) -> None:
        try:
            drive()
        except HardwareFault:
            self._failed.add(what)
        else:
            self._failed.discard(what)
