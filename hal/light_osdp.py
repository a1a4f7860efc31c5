"""The light of an OSDP keypad, in the rhythms and colours of the two-colour LED."""

from __future__ import annotations

from typing import Annotated

import msgspec

from hal.light_two_colour import Colour, rhythm_in_colour
from hal.osdp_front import Lamp, front_of
from hal.pins import Board
from hal.ports import Light, Signal
from hal.rhythm import Player


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`device`: the line of the OSDP keypad whose light it is, as in its own section."""

    device: Annotated[str, msgspec.Meta(pattern="^/", max_length=255)]


def open(settings: Settings, _board: Board | None = None) -> Light:
    """Never raises: a keypad that is away is a fault of its own."""
    return OsdpLight(settings.device)


class OsdpLight:
    """See `hal.ports.Light`."""

    def __init__(self, device: str) -> None:
        self._front = front_of(device)
        self._player = Player[Colour](f"light of {device}", self._write, "dark")

    def show(self, signal: Signal) -> None:
        """Start a signal."""
        self._player.play(rhythm_in_colour(signal))

    def close(self) -> None:
        """Dark, as soon as the keypad takes it."""
        self._player.close()
        self._write("dark")

    def _write(self, colour: Colour) -> None:
        self._front.put(Lamp(colour))
