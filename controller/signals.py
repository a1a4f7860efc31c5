"""Light and buzzer as one: what the person at the door is told, for the eye and for the ear.

A lamp or buzzer that breaks is a fault and no more: the door goes on deciding.
"""

from __future__ import annotations

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
    """See `hal.ports.Light`; with a sound beside it. `broken` tells that one of them cannot be driven any more;
    `silenced` keeps the buzzer quiet, so that a fire alarm is heard."""

    def __init__(self, light: Light | None, sound: Sound | None) -> None:
        self._light = light
        self._sound = sound
        self.broken = False
        self.silenced = False

    def show(self, signal: Signal) -> None:
        """Tell one signal."""
        if self._light is not None:
            try:
                self._light.show(signal)
            except HardwareFault:
                self.broken = True
        if signal in SOUNDS:
            self._play(SOUNDS[signal])

    def blink(self, on: bool) -> None:
        """One flash of a number that is told; with a click, so that it can be counted without seeing it."""
        if self._light is not None:
            try:
                self._light.show("granted" if on else "off")
            except HardwareFault:
                self.broken = True
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

    def _play(self, sound: SoundName) -> None:
        if self._sound is None or self.silenced:
            return
        try:
            self._sound.play(sound)
        except HardwareFault:
            self.broken = True
