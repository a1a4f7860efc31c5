"""A keypad that sends ASCII over a serial line (8N1): digits, `#`, `*`; ENTER as CR, LF or CR LF counts as one `#`.

`Decoder` is pure; `serial_line` moves the bytes. What is not a key is ignored and counted, never an error: a noisy
line is no reason to stop serving the door.
"""

from hal.pins import Board
from hal.ports import KEYPAD_SYMBOLS, Keypad
from hal.serial_line import LineSettings, SerialLine

Settings = LineSettings


def open(settings: Settings, _board: Board | None = None) -> Keypad:
    """Open the line for ourselves alone. Raises `DeviceMissing`."""
    return SerialLine(settings, Decoder(), "keypad")


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
