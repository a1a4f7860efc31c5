"""A keypad that sends ASCII over a serial line (8N1): digits, `#`, `*`; ENTER as CR, LF or CR LF counts as one `#`.

`Decoder` is pure; `SerialKeypad` only moves bytes. What is not a key is ignored and counted, never an error: a noisy
line is no reason to stop serving the door.
"""

from typing import Annotated, Final, Literal

import msgspec
import serial

from hal.errors import DeviceLost, DeviceMissing, translated
from hal.pins import Board
from hal.ports import KEYPAD_SYMBOLS, Keypad

CHUNK_BYTES: Final = 4096
"""One read takes everything the kernel buffers for a terminal."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`device`: path of the line, best a stable name under `/dev/serial/by-id`. `baud`: bits per second."""

    device: Annotated[str, msgspec.Meta(pattern="^/", max_length=255)]
    baud: Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200] = 9600


def open(settings: Settings, _board: Board | None = None) -> Keypad:
    """Open the line for ourselves alone. Raises `DeviceMissing`."""
    return SerialKeypad(settings)


class Decoder:
    """Bytes to symbols. `ignored` counts the bytes that are no key."""

    def __init__(self) -> None:
        self.ignored = 0
        self._after_cr = False

    def feed(self, data: bytes) -> list[str]:
        """Symbols in `data`, in order. Any split of a stream into calls gives the same symbols."""
        symbols = []
        for byte in data:
            follows_cr, self._after_cr = self._after_cr, byte == 0x0D
            if byte == 0x0A and follows_cr:
                continue
            symbol = "#" if byte in b"\r\n" else chr(byte)
            if symbol in KEYPAD_SYMBOLS:
                symbols.append(symbol)
            else:
                self.ignored += 1
        return symbols


class SerialKeypad:
    """See `hal.ports.Keypad`."""

    def __init__(self, settings: Settings) -> None:
        self._decoder = Decoder()
        with translated(DeviceMissing, f"keypad on {settings.device}"):
            self._line = serial.Serial(settings.device, settings.baud, timeout=0, exclusive=True)
            self._line.reset_input_buffer()
            self._fileno = int(self._line.fileno())

    @property
    def ignored(self) -> int:
        """Bytes that were no key, since the line was opened."""
        return self._decoder.ignored

    def fileno(self) -> int:
        """The line itself."""
        return self._fileno

    def read(self) -> list[str]:
        """Symbols that have arrived. Raises `DeviceLost` when the line was unplugged."""
        with translated(DeviceLost, "keypad line lost"):
            return self._decoder.feed(self._line.read(CHUNK_BYTES))

    def close(self) -> None:
        """Give the line back."""
        with translated(DeviceLost, "keypad line cannot be closed"):
            self._line.close()
