"""A QR scanner that decodes by itself and sends texts over a serial line (8N1), each ended by CR, LF or CR LF.

`Decoder` is pure; `serial_line` moves the bytes. A scanner is trusted no more than a camera: a text with anything
but printable ASCII in it is dropped and counted, a longer one than `SCANNED_CHARS` is cut, which makes it foreign.
"""

from typing import Final

from hal.pins import Board
from hal.ports import SCANNED_CHARS, Scanner
from hal.serial_line import LineSettings, SerialLine

PRINTABLE: Final = range(0x20, 0x7F)


Settings = LineSettings


def open(settings: Settings, _board: Board | None = None) -> Scanner:
    """Open the line for ourselves alone. Raises `DeviceMissing`."""
    return SerialLine(settings, Decoder(), "scanner")


class Decoder:
    """Bytes to texts. `ignored` counts lines that are no text."""

    def __init__(self) -> None:
        self.ignored = 0
        self._line = bytearray()
        self._printable = True

    def feed(self, data: bytes) -> list[str]:
        """Texts that are now complete, in order. Any split of a stream into calls gives the same texts."""
        texts = []
        for byte in data:
            if byte in b"\r\n":
                texts += self._ended()
            elif byte in PRINTABLE:
                if len(self._line) < SCANNED_CHARS:
                    self._line.append(byte)
            else:
                self._printable = False
        return texts

    def _ended(self) -> list[str]:
        line, printable = self._line.decode("ascii"), self._printable
        self._line.clear()
        self._printable = True
        if not printable:
            self.ignored += 1
            return []
        return [line] if line else []
