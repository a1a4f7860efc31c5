"""The far end of a serial keypad: a pty whose near end the door opens like any serial device."""

import os
import threading
import tty
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Final

KEYS_MAX: Final = 4096


class KeypadLine:
    """`link` is made a symbolic link to the pty, so that the door's configuration can name a fixed path."""

    def __init__(self, link: str | os.PathLike[str]) -> None:
        self._link = Path(link)
        self._guard = threading.Lock()
        self._far: int | None = None
        self._near: int | None = None
        self.plug(True)

    @property
    def plugged(self) -> bool:
        """False while the keypad is unplugged."""
        return self._far is not None

    def press(self, keys: str, interval_s: float) -> None:
        """Send ASCII `keys`, one every `interval_s`; anything goes, a keypad can be broken too.

        Raises `ValueError` for more than `KEYS_MAX` or non-ASCII keys, `ConnectionError` when unplugged.
        """
        if len(keys) > KEYS_MAX:
            raise ValueError(f"more than {KEYS_MAX} keys")
        for number, byte in enumerate(keys.encode("ascii")):
            if number:
                sleep(interval_s)
            with self._guard:
                if self._far is None:
                    raise ConnectionError("the keypad is unplugged")
                os.write(self._far, bytes([byte]))

    def plug(self, plugged: bool) -> None:
        """Plug in (a new pty behind the same link) or pull out: the door sees its device vanish."""
        with self._guard:
            if plugged and self._far is None:
                self._far, self._near = os.openpty()
                # Raw, or the terminal would echo keys back; our own near end open, or it would hang up between doors.
                tty.setraw(self._near)
                self._link.unlink(missing_ok=True)
                self._link.symlink_to(os.ttyname(self._near))
            elif not plugged and self._far is not None and self._near is not None:
                self._link.unlink(missing_ok=True)
                os.close(self._near)
                os.close(self._far)
                self._far = self._near = None

    def close(self) -> None:
        """Pull out for good."""
        with suppress(OSError):  # the folder may be gone already
            self.plug(False)
