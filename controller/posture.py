"""The door's posture: controlled, unlocked (attended, until a time) or lockdown (nobody in; leaving stays free).

From command, staff keypad or list; the newer one wins, of two from one second lockdown does. Unlocked ends when its
time comes or the clock is not trusted.
"""

from __future__ import annotations

import msgspec

from controller.formats.code_list import PostureState


class Posture(msgspec.Struct, frozen=True):
    """`since_s` orders postures; `until_s` (UTC seconds) is set for `unlocked` only."""

    state: PostureState = "controlled"
    since_s: int = 0
    until_s: int | None = None

    def beats(self, other: Posture) -> bool:
        """Whether this one replaces the other."""
        if self.since_s != other.since_s:
            return self.since_s > other.since_s
        return self.state == "lockdown" and other.state != "lockdown"

    def over(self, now_s: int, trusted: bool) -> bool:
        """Whether an unlocked posture has ended."""
        return self.state == "unlocked" and (not trusted or self.until_s is None or now_s >= self.until_s)

    def at(self, now_s: int, trusted: bool) -> Posture:
        """The posture as it stands at this instant."""
        return Posture("controlled", self.since_s) if self.over(now_s, trusted) else self
