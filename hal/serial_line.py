"""A serial line that something talks on: opened for ourselves alone, read without waiting, gone when it is unplugged.

Keypads and scanners differ in what the bytes mean; that is their decoder's business.
"""

from typing import Annotated, Final, Literal, Protocol

import msgspec
import serial

from hal.errors import DeviceLost, DeviceMissing, translated

CHUNK_BYTES: Final = 4096
"""One read takes everything the kernel buffers for a terminal."""


class LineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`device`: path of the line, best a stable name under `/dev/serial/by-id`. `baud`: bits per second."""

    device: Annotated[str, msgspec.Meta(pattern="^/", max_length=255)]
    baud: Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200] = 9600


class Decoder(Protocol):
    """Pure: bytes to symbols or texts. `ignored` counts what meant nothing."""

    ignored: int

    def feed(self, data: bytes) -> list[str]:
        """What is now complete, in order. Any split of a stream into calls gives the same."""


class SerialLine:
    """`what` names the device in faults. Raises `DeviceMissing`."""

    def __init__(self, settings: LineSettings, decoder: Decoder, what: str) -> None:
        self._decoder = decoder
        self._what = what
        with translated(DeviceMissing, f"{what} on {settings.device}"):
            self._line = serial.Serial(settings.device, settings.baud, timeout=0, exclusive=True)
            self._line.reset_input_buffer()
            self._fileno = int(self._line.fileno())

    @property
    def ignored(self) -> int:
        """What meant nothing, since the line was opened."""
        return self._decoder.ignored

    def fileno(self) -> int:
        """The line itself."""
        return self._fileno

    def read(self) -> list[str]:
        """What has arrived. Raises `DeviceLost` when the line was unplugged."""
        with translated(DeviceLost, f"{self._what} line lost"):
            return self._decoder.feed(self._line.read(CHUNK_BYTES))

    def close(self) -> None:
        """Give the line back."""
        with translated(DeviceLost, f"{self._what} line cannot be closed"):
            self._line.close()
