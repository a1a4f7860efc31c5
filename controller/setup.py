"""What a door unit consists of, as far as it makes a difference to the door."""

from __future__ import annotations

import msgspec

from controller.commission import Wired


class Setup(msgspec.Struct, frozen=True):
    """What is wired: keypad names, whether there is a door contact, whether every way out gives an exit signal, which
    keypads are on the inner side and only sign out, which commands that let people in the hub may give; whether there
    is an exit button, a camera or scanner outside, one inside."""

    door: str
    readers: tuple[str, ...]
    contact: bool
    handle_sensed: bool
    inside: frozenset[str] = frozenset()
    remote: frozenset[str] = frozenset()
    exit_button: bool = False
    reads_qr: bool = False
    reads_qr_inside: bool = False

    def wired(self) -> Wired:
        """The same as whoever brings the door into service has to try it."""
        return Wired(self.readers, self.reads_qr, self.contact, self.exit_button, self.reads_qr_inside)
