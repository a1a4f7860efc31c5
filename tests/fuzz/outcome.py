"""What a fuzzer found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


class Found(Exception):
    """A crash or a grant; the text has the input."""


@dataclass
class Outcome:
    """`answers`: how often the door said what."""

    inputs: int = 0
    answers: Counter[str] = field(default_factory=Counter)

    def count(self, answer: str) -> None:
        self.inputs += 1
        self.answers[answer] += 1
