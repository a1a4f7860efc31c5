"""What a check found: a colour, the fact, and the one thing to do next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Colour = Literal["green", "amber", "red"]
ORDER: Final[tuple[Colour, ...]] = ("green", "amber", "red")


@dataclass(frozen=True)
class Finding:
    """`check` names it for people and machines, `fact` is what is so, `do` the next step, empty when there is none."""

    check: str
    colour: Colour
    fact: str
    do: str = ""


def green(check: str, fact: str) -> Finding:
    """All is well."""
    return Finding(check, "green", fact)


def amber(check: str, fact: str, do: str) -> Finding:
    """Works, but not as it should or not for long; or nobody can tell from here."""
    return Finding(check, "amber", fact, do)


def red(check: str, fact: str, do: str) -> Finding:
    """Not fit for service."""
    return Finding(check, "red", fact, do)


def worst(findings: Iterable[Finding]) -> Colour:
    """The colour of the unit."""
    return max((finding.colour for finding in findings), key=ORDER.index, default="green")
