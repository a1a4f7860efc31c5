"""Bytes on the keypad's wire: noise, half bursts, 200 keys a second, into the real driver and the door behind it.

The door's list knows no PIN at all, so nothing that is typed may open it, by luck neither.
"""

from __future__ import annotations

import os
import tty
from collections.abc import Callable
from contextlib import closing
from random import Random

from controller.door_events import Release
from hal.keypad_serial import Settings
from hal.keypad_serial import open as open_keypad
from tests.controller.worlds import Bench, grant, installed
from tests.fuzz.outcome import Found, Outcome

SYMBOLS = "0123456789#*"
BURST_BYTES = 64


def fuzz(n: int, seed: int, tell: Callable[[int], None]) -> Outcome:
    """`n` bursts. Raises Found."""
    random, outcome = Random(seed), Outcome()
    far, near = os.openpty()
    tty.setraw(near)
    bench = Bench(installed=installed(grant(pin=None)))
    try:
        with closing(open_keypad(Settings(device=os.ttyname(near)))) as keypad:
            for count in range(n):
                burst = _burst(random)
                os.write(far, burst)
                try:
                    symbols = keypad.read()
                    effects = [
                        effect for symbol in symbols for effect in bench.keys(_symbol(symbol, burst))
                    ] + bench.wait(random.choice((0, 0.005, 1, 11)))
                except Exception as crash:
                    raise Found(f"{crash!r} after {burst!r}") from crash
                if any(isinstance(effect, Release) for effect in effects):
                    raise Found(f"the lock moved after {burst!r}")
                outcome.count("keys" if symbols else "no key in it")
                bench.effects.clear()
                tell(count + 1)
    finally:
        os.close(far)
        os.close(near)
    return outcome


def _burst(random: Random) -> bytes:
    size = random.randint(1, BURST_BYTES)
    if random.random() < 0.5:
        return random.randbytes(size)
    return "".join(random.choices(SYMBOLS, k=size)).encode()


def _symbol(symbol: str, burst: bytes) -> str:
    if symbol not in SYMBOLS:
        raise Found(f"the driver made {symbol!r} of {burst!r}")
    return symbol
