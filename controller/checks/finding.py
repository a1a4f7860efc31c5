"""What a check found: a colour, the fact, and the one thing to do next."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from controller.formats.state import Colour

ORDER: Final[tuple[Colour, ...]] = ("green", "amber", "red")
CHECKS_MAX: Final = 40  # what a state report holds


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


def colours(findings: Iterable[Finding]) -> dict[str, Colour]:
    """The worst colour of each check, under a word as a state report has them: what the hub is told."""
    found: dict[str, Colour] = {}
    for finding in findings:
        word = re.sub(r"[^a-z0-9]+", "_", finding.check.lower()).strip("_")[:40]
        found[word] = max(found.get(word, "green"), finding.colour, key=ORDER.index)
    return dict(list(found.items())[:CHECKS_MAX])


def worst(findings: Iterable[Finding]) -> Colour:
    """The colour of the unit."""
    return max((finding.colour for finding in findings), key=ORDER.index, default="green")
