"""A QR scanner that decodes by itself and sends texts over a serial line (8N1), each ended by CR, LF or CR LF.

`Decoder` is pure; `SerialScanner` only moves bytes. A scanner is trusted no more than a camera: a text with anything
but printable ASCII in it is dropped and counted, a longer one than `SCANNED_CHARS` is cut, which makes it foreign.
"""

from typing import Annotated, Final, Literal

import msgspec
import serial

from hal.errors import DeviceLost, DeviceMissing, translated
from hal.pins import Board
from hal.ports import SCANNED_CHARS, Scanner

CHUNK_BYTES: Final = 4096
PRINTABLE: Final = range(0x20, 0x7F)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`device`: path of the line, best a stable name under `/dev/serial/by-id`. `baud`: bits per second."""

    device: Annotated[str, msgspec.Meta(pattern="^/", max_length=255)]
    baud: Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200] = 9600


def open(settings: Settings, _board: Board | None = None) -> Scanner:
    """Open the line for ourselves alone. Raises `DeviceMissing`."""
    return SerialScanner(settings)


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


class SerialScanner:
    """See `hal.ports.Scanner`."""

    def __init__(self, settings: Settings) -> None:
        self._decoder = Decoder()
        with translated(DeviceMissing, f"scanner on {settings.device}"):
            self._line = serial.Serial(settings.device, settings.baud, timeout=0, exclusive=True)
            self._line.reset_input_buffer()
            self._fileno = int(self._line.fileno())

    @property
    def ignored(self) -> int:
        """Lines that were no text."""
        return self._decoder.ignored

    def fileno(self) -> int:
        """The line itself."""
        return self._fileno

    def read(self) -> list[str]:
        """Texts that have arrived. Raises `DeviceLost` when the line was unplugged."""
        with translated(DeviceLost, "scanner line lost"):
            return self._decoder.feed(self._line.read(CHUNK_BYTES))

    def close(self) -> None:
        """Give the line back."""
        with translated(DeviceLost, "scanner line cannot be closed"):
            self._line.close()
