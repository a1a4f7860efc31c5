"""A keypad with a Wiegand output: two lines, each pulled low for some 50 µs to send a 0 (D0) or a 1 (D1).

A key is a burst of 4 bits, or of 8 whose first half is the complement of the second; 10 is `*` and 11 is `#`. The same
lines may carry badges (26 or 34 bits): those are counted and forgotten, since a badge number is a person's and opens
nothing here. A burst of any other length lost a bit or caught one and is ignored: a missing digit is seen by who types,
a wrong one would cost a try. The lines tell nothing about a keypad that is unplugged; `doctor` asks for a key press.

`Decoder` is pure; `WiegandKeypad` only brings it edges and the silence after them.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Annotated, Final, Literal

import msgspec
from gpiozero import GPIODevice

from hal.errors import DeviceLost, DeviceMissing, translated
from hal.mailbox import Mailbox, received
from hal.pins import Board
from hal.ports import Keypad

BITS_MAX: Final = 128
EDGES_MAX: Final = 4096
SYMBOLS: Final = "0123456789*#"
BADGE_BITS: Final = frozenset({26, 34})


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`d0`, `d1`: BCM lines; the keypad's 5 V outputs need a level shifter. `key_bits`: what the keypad sends for a
    key. Only that length is a key, so half of an 8-bit burst is never taken for one. `gap_ms`: bits of one burst are
    1-3 ms apart, keys much further; what is further apart than this is another burst."""

    d0: Annotated[int, msgspec.Meta(ge=0, le=27)]
    d1: Annotated[int, msgspec.Meta(ge=0, le=27)]
    key_bits: Literal[4, 8] = 4
    gap_ms: Annotated[int, msgspec.Meta(ge=5, le=200)] = 25

    def pins(self) -> dict[str, int]:
        """Setting name -> BCM line."""
        return {"d0": self.d0, "d1": self.d1}


def open(settings: Settings, board: Board) -> Keypad:
    """Claim both lines. Raises `DeviceMissing` or `BoardFault`."""
    return WiegandKeypad(settings, board)


def badge_is_whole(bits: Sequence[int]) -> bool:
    """Whether a 26- or 34-bit frame has its parity: even over the first half, odd over the second."""
    half = len(bits) // 2
    return len(bits) in BADGE_BITS and sum(bits[:half]) % 2 == 0 and sum(bits[half:]) % 2 == 1


class Decoder:
    """Bits with their times to symbols. `badges` counts whole badge frames, `ignored` every other burst that is no key.

    Times are seconds of any steady clock.
    """

    def __init__(self, key_bits: Literal[4, 8], gap_s: float) -> None:
        self.badges = 0
        self.ignored = 0
        self._key_bits = key_bits
        self._gap_s = gap_s
        self._bits: list[int] = []
        self._last_s = 0.0

    @property
    def pending(self) -> bool:
        """Whether a burst has begun."""
        return bool(self._bits)

    def bit(self, bit: int, at_s: float) -> list[str]:
        """Take one bit; the symbol of the burst it does not belong to any more, if any."""
        symbols = self.silence() if at_s - self._last_s > self._gap_s else []
        self._last_s = at_s
        if len(self._bits) <= BITS_MAX:  # one more than any burst has, so that it stays wrong
            self._bits.append(bit)
        return symbols

    def silence(self) -> list[str]:
        """The burst is over; its symbol, if it is a key."""
        bits, self._bits = self._bits, []
        if not bits:
            return []
        symbol = self._symbol(bits)
        if symbol is not None:
            return [symbol]
        if badge_is_whole(bits):
            self.badges += 1
        else:
            self.ignored += 1
        return []

    def _symbol(self, bits: Sequence[int]) -> str | None:
        if len(bits) != self._key_bits:
            return None
        value = int("".join(map(str, bits)), 2)
        if self._key_bits == 8:
            complement, value = value >> 4, value & 0xF
            if complement != value ^ 0xF:
                return None
        return SYMBOLS[value] if value < len(SYMBOLS) else None


class _Line:
    """One of the two lines. gpiozero remembers a callback weakly, so somebody has to keep its object."""

    def __init__(self, bit: int, device: GPIODevice, heard: Callable[[int, float], None]) -> None:
        self.device = device
        self._bit = bit
        self._heard = heard
        # The pin and not gpiozero's DigitalInputDevice: its event layer drops the edge's own time.
        pin = device.pin
        pin.function, pin.pull, pin.bounce, pin.edges = "input", "up", None, "falling"
        pin.when_changed = self.fell

    def fell(self, at_s: float, _state: bool) -> None:
        """A pulse began (the backend's thread)."""
        self._heard(self._bit, at_s)


class WiegandKeypad:
    """See `hal.ports.Keypad`. The backend's thread queues edges, a thread of ours decodes them."""

    def __init__(self, settings: Settings, board: Board) -> None:
        factory = board.factory()
        gap_s = settings.gap_ms / 1000
        self._decoder = Decoder(settings.key_bits, gap_s)
        # Longer than the gap: edges may reach us late, but each carries its own time.
        self._silence_s = 2 * gap_s
        self._symbols: Mailbox[str | DeviceLost] = Mailbox()
        self._edges: deque[tuple[int, float]] = deque(maxlen=EDGES_MAX)
        self._news = threading.Condition()
        self._closing = False
        self._lines: list[_Line] = []
        try:
            for bit, line in enumerate((settings.d0, settings.d1)):
                with translated(DeviceMissing, f"keypad's D{bit} on GPIO {line}"):
                    self._lines.append(_Line(bit, GPIODevice(line, pin_factory=factory), self._heard))
        except DeviceMissing:
            self._give_back()
            raise
        self._thread = threading.Thread(target=self._decode, name=f"wiegand-{settings.d0}", daemon=True)
        self._thread.start()

    @property
    def ignored(self) -> int:
        """Bursts that were no key and no badge."""
        return self._decoder.ignored

    def fileno(self) -> int:
        """Readable when there are symbols."""
        return self._symbols.fileno()

    def read(self) -> list[str]:
        """Symbols that have arrived. Raises `DeviceLost` when the lines can no longer be read."""
        return received(self._symbols)

    def close(self) -> None:
        """Stop listening; the lines are free for another."""
        with self._news:
            if self._closing:
                return
            self._closing = True
            self._news.notify()
        self._thread.join()
        self._symbols.close()
        self._give_back()

    def _give_back(self) -> None:
        with translated(DeviceMissing, "keypad lines cannot be closed"):
            for line in self._lines:
                line.device.close()

    def _heard(self, bit: int, at_s: float) -> None:
        with self._news:
            self._edges.append((bit, at_s))
            self._news.notify()

    def _decode(self) -> None:
        try:
            while not self._closing:
                self._symbols.post_all(self._next())
        except Exception as cause:  # whatever it is; `read` tells the caller
            self._symbols.post(DeviceLost(f"keypad lines cannot be read: {cause}"))

    def _next(self) -> list[str]:
        """Wait for the next edge, or for the silence after the last one; the symbol of a burst that is over."""
        with self._news:
            patience_s = self._silence_s if self._decoder.pending else None
            self._news.wait_for(lambda: self._edges or self._closing, patience_s)
            edge = self._edges.popleft() if self._edges else None
        return self._decoder.silence() if edge is None else self._decoder.bit(*edge)
