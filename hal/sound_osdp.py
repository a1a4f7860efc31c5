"""The buzzer of an OSDP keypad, in the rhythms of the one on a GPIO line.

A keypad polled over RS-485 takes an order every 50 ms or so, so a click of 25 ms is a little longer here: alike for
every key.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from hal.osdp_front import Tone, front_of
from hal.pins import Board
from hal.ports import Sound, SoundName
from hal.rhythm import Player
from hal.sound_gpio import RHYTHMS


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`device`: the line of the OSDP keypad whose buzzer it is, as in its own section."""

    device: Annotated[str, msgspec.Meta(pattern="^/", max_length=255)]


def open(settings: Settings, _board: Board | None = None) -> Sound:
    """Never raises: a keypad that is away is a fault of its own."""
    return OsdpSound(settings.device)


class OsdpSound:
    """See `hal.ports.Sound`."""

    def __init__(self, device: str) -> None:
        self._front = front_of(device)
        self._player = Player(f"buzzer of {device}", self._write, False)

    def play(self, sound: SoundName) -> None:
        """Start a sound."""
        if sound not in RHYTHMS:
            raise ValueError(f"no sound {sound!r}; there are: {', '.join(RHYTHMS)}")
        self._player.play(RHYTHMS[sound])

    def close(self) -> None:
        """Silent, as soon as the keypad takes it."""
        self._player.close()
        self._write(False)

    def _write(self, on: bool) -> None:
        self._front.put(Tone(on))
