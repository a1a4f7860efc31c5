"""A number told by a light: each digit as so many flashes, a pause between digits and a long one between rounds."""

from __future__ import annotations

from typing import Final

FLASH_MS: Final = 300
DARK_MS: Final = 300
BETWEEN_MS: Final = 1_500
AGAIN_MS: Final = 4_000


def flashes(code: str) -> list[tuple[int, int]]:
    """When the light is on, as (from, until) in ms since the beginning; the last entry is the length of a round."""
    at_ms, found = 0, []
    for digit in code:
        for _ in range(int(digit)):
            found.append((at_ms, at_ms + FLASH_MS))
            at_ms += FLASH_MS + DARK_MS
        at_ms += BETWEEN_MS - DARK_MS
    found.append((at_ms - BETWEEN_MS + AGAIN_MS, at_ms - BETWEEN_MS + AGAIN_MS))
    return found


def lit(code: str, passed_ms: int) -> tuple[bool, int]:
    """Whether the light is on so long after the beginning, and in how many ms that changes (or a round ends)."""
    *on, (round_ms, _) = flashes(code)
    at_ms = passed_ms % round_ms
    for from_ms, until_ms in on:
        if at_ms < from_ms:
            return False, from_ms - at_ms
        if at_ms < until_ms:
            return True, until_ms - at_ms
    return False, round_ms - at_ms
