"""PINs: drawn at random, never easy to guess, never one slip of a finger away from somebody else's.

Pure given `below`, which answers a random whole number in `range(n)`; in production that is `secrets.randbelow`.
A PIN is drawn anew until it is neither obvious (R002-06) nor within one digit of a PIN that is still alive in the same
PIN set (R002-04): the draw stays uniform over what is left.

    pin = draw_pin(6, alive, secrets.randbelow)
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable, Set
from dataclasses import dataclass

from controller.formats.errors import Refused

Below = Callable[[int], int]

DRAWS = 1_000
"""After so many draws in a row without a free PIN the space counts as used up."""

RUN_DIGITS = 4
"""So many digits in a row that are equal, or count up or down by one, make a PIN obvious."""

GUESS_CHANCE = 1e-4
"""What a day of blind guessing at one door may succeed with (X-11)."""

DATES = ("%d%m%y", "%m%d%y", "%y%m%d", "%d%m%Y", "%m%d%Y", "%Y%m%d")

DIGITS = range(6, 9)
REFILL_S = range(30, 1_801)
DAY_S = 86_400


@dataclass(frozen=True)
class Randomness:
    """Where chance comes from; a simulation passes its own, from one seed."""

    below: Below = secrets.randbelow
    take_bytes: Callable[[int], bytes] = secrets.token_bytes


def draw_pin(digits: int, alive: Set[str], below: Below) -> str:
    """A PIN of `digits` digits, at least two digits away from every PIN in `alive`.

    Raises Refused `pin_space_low` when none turns up in 1,000 draws."""
    return draw_where(digits, lambda pin: alive.isdisjoint(_one_digit_away(pin)), below)


def draw_where(digits: int, is_free: Callable[[str], bool], below: Below) -> str:
    """A PIN of `digits` digits that is not obvious and for which `is_free` holds.

    Raises Refused `pin_space_low` when none turns up in 1,000 draws."""
    for _ in range(DRAWS):
        pin = f"{below(10**digits):0{digits}d}"
        if not is_obvious(pin) and is_free(pin):
            return pin
    raise Refused("pin_space_low", "pin", "no PIN is left that is far enough from the others")


def slips(pin: str) -> list[str]:
    """The PIN with each digit in turn blotted out: `482` gives `*82`, `4*2`, `48*`. Two PINs of one length are less
    than two digits apart exactly when they have one of these in common."""
    return [f"{pin[:place]}*{pin[place + 1 :]}" for place in range(len(pin))]


def is_obvious(pin: str) -> bool:
    """Whether people would choose or guess this PIN early: repeats, sequences, dates."""
    steps = [(int(after) - int(before)) % 10 for before, after in itertools.pairwise(pin)]
    runs = (sum(1 for _ in run) + 1 for step, run in itertools.groupby(steps) if step in {0, 1, 9})
    return (
        len(set(pin)) <= 2  # 121221
        or len(set(steps)) == 1  # 135791
        or any(length >= RUN_DIGITS for length in runs)
        or pin in (pin + pin)[1:-1]  # a block repeated: 482482
        or _is_date(pin)
    )


def pin_rule(live: int, tries: int) -> tuple[int, int]:
    """(digits, refill seconds) of a PIN set with at most `live` PINs alive at one door at a time: the shortest PIN,
    then the shortest wait for a new try, with `(tries + 86400 / refill) * live / 10^digits <= 1e-4`.

    Raises Refused `pin_space_low` when not even eight digits and half an hour keep that promise."""
    for digits in DIGITS:
        tries_a_day = GUESS_CHANCE * 10**digits / live
        if tries_a_day <= tries:
            continue
        refill_s = max(-int(-DAY_S // (tries_a_day - tries)), REFILL_S[0])
        if refill_s <= REFILL_S[-1]:
            return digits, refill_s
    raise Refused("pin_space_low", "live", f"{live} live PINs at a door need more than {DIGITS[-1]} digits")


def _one_digit_away(pin: str) -> set[str]:
    """The PIN itself and every PIN that differs from it in one digit."""
    return {pin[:place] + digit + pin[place + 1 :] for place in range(len(pin)) for digit in "0123456789"}


def _is_date(pin: str) -> bool:
    return any(_reads_as(pin, layout) for layout in DATES)


def _reads_as(pin: str, layout: str) -> bool:
    try:
        return 1900 <= time.strptime(pin, layout).tm_year < 2100
    except ValueError:
        return False
