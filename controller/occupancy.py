"""When the room behind this door is rented, as far as the list tells: for the screen, and for nothing that is decided.

occupancy = Occupancy(code_list)
occupancy.until_s(now_s)    # end of the booking that is on, None while the room is free
occupancy.next_s(now_s)     # start of the next one
"""

from __future__ import annotations

from bisect import bisect_right

from controller.formats.code_list import CodeList


class Occupancy:
    """The windows of active renters, touching and overlapping ones as one: neighbours cannot be told apart."""

    def __init__(self, code_list: CodeList) -> None:
        windows = sorted(
            window for grant in code_list.grants if grant.kind == "renter" and grant.active for window in grant.windows
        )
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in windows:
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(end, self._ends[-1])
            else:
                self._starts.append(start)
                self._ends.append(end)

    def until_s(self, now_s: int) -> int | None:
        """The end of the time in which the room is rented without a break, if it is now."""
        at = bisect_right(self._starts, now_s) - 1
        return self._ends[at] if at >= 0 and now_s < self._ends[at] else None

    def next_s(self, now_s: int) -> int | None:
        """The start of the first booking that has not begun."""
        at = bisect_right(self._starts, now_s)
        return self._starts[at] if at < len(self._starts) else None
