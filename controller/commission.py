"""Bringing a door into service: what is tried and asked at the door, in order, and what the answers come to.

    commission = Commission(steps(wired), now_ms)
    commission.press("1", now_ms)          # a key of the staff member's, or what was typed at the terminal
    commission.step                        # what is asked now, None when all is answered
    shortcomings(commission.answers)       # why the door may not go into service; empty: it may

Pure: keys, texts, switches and time in; an `Outcome` out. Nothing in here moves a relay or writes a record. Lengths are
millimetres, times monotonic milliseconds.

At the keypad: `1` yes, `3` no, `2` does not apply, `0` let the lock click, digits and `#` a length, `*` what is asked
for does not work (of a length: type it again).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from controller.formats.qr_pass import PREFIX, TEXT_CHARS

Kind = Literal["keys", "qr", "relay", "exit", "leaf", "number", "choice"]
Outcome = Literal["nothing", "heard", "passed", "failed", "refused", "pulse"]
"""`heard`: goes on; `passed`, `failed`: the step is over; `refused`: no such answer; `pulse`: let the lock click."""
Answer = str | int

KEYS: Final = "0123456789*#"
TEST_QR: Final = "ZSTEST:" + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFG"
"""As many characters, of the same set, as a pass has: the same size of code, and nothing that could open."""
KEYS_MS: Final = 60_000
"""A keypad that gave no new key for so long has one that does not work."""
IDLE_MS: Final = 5 * 60_000
"""So long nobody went on: whoever began is gone, and the keypad must be a keypad again."""
REACH_MM: Final = 1_220
"""EN 301 549, 8.3.2 (R002-30): nothing that is operated may sit higher."""
LOWEST_MM, CORNER_MAX_MM = 300, 9_999
"""Below, somebody typed centimetres."""
WORDS: Final = {"1": "yes", "2": "none", "3": "no"}
YES_NO: Final = ("yes", "no")
YES_NO_NONE: Final = ("yes", "no", "none")


class Wired(msgspec.Struct, frozen=True):
    """What this door has: its keypads by name, whether it reads QR codes, has a contact, has an exit button, reads QR
    codes on the inner side as well."""

    keypads: tuple[str, ...]
    qr: bool
    contact: bool
    exit_button: bool
    qr_inside: bool = False


class Step(msgspec.Struct, frozen=True):
    """One thing to try or to answer. `name` is its word in the record; of a length, `low` to `high` is believed.
    `inside`: of a code, before the reader on the inner side."""

    name: str
    kind: Kind
    keypad: str = ""
    choices: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    inside: bool = False

    @property
    def text(self) -> str:
        """Its word in the catalogues of the screen."""
        return "keys" if self.kind == "keys" else self.name


CHECKLIST: Final = (
    # leaving is free, and the fire brigade gets in.
    Step("free_exit", "choice", choices=YES_NO),
    Step("escape_route", "choice", choices=YES_NO),
    Step("locked_unpowered", "choice", choices=YES_NO),
    Step("fire_cuts_lock", "choice", choices=YES_NO_NONE),
    Step("cylinder", "choice", choices=YES_NO),
    # what hangs beside a camera.
    Step("notice", "choice", choices=YES_NO),
    # The number of the sheet that people signed by hand, 0 where there is none.
    Step("sheet", "number", high=999_999_999),
)


def steps(wired: Wired) -> tuple[Step, ...]:
    """Every step of this door, in order. The exit button comes before the leaf, so that opening it is no alarm."""
    found = [Step("keys_" + name.replace("-", "_"), "keys", keypad=name) for name in wired.keypads]
    if wired.qr:
        # R002-30: also from a chair.
        found += [Step("qr", "qr"), Step("qr_seated", "qr")]
    if wired.qr_inside:
        found.append(Step("qr_inside", "qr", inside=True))
    found.append(Step("relay", "relay"))
    if wired.exit_button:
        found.append(Step("exit_button", "exit"))
    if wired.contact:
        found.append(Step("leaf", "leaf"))
    if wired.keypads:
        found.append(Step("keypad_mm", "number", low=LOWEST_MM, high=CORNER_MAX_MM))
    if wired.qr:
        found.append(Step("camera_mm", "number", low=LOWEST_MM, high=CORNER_MAX_MM))
    found.append(Step("corner_mm", "number", high=CORNER_MAX_MM))
    # "none": no room behind this door is advertised as accessible.
    found.append(Step("floor", "choice", choices=YES_NO_NONE))
    return (*found, *CHECKLIST)


def shortcomings(answers: Mapping[str, Answer]) -> tuple[str, ...]:
    """The steps whose answers keep a door out of service. A fail-safe lock on an escape route is one unless the fire
    panel cuts its supply (X-02); how far a corner is gets recorded and judged by people."""
    found = []
    for name, answer in answers.items():
        if name.endswith("_mm"):
            if name != "corner_mm" and int(answer) > REACH_MM:
                found.append(name)
        elif name == "fire_cuts_lock":
            unsafe = answers.get("escape_route") == "yes" and answers.get("locked_unpowered") == "no"
            if unsafe and answer != "yes":
                found.append(name)
        elif name not in {"sheet", "escape_route", "locked_unpowered"} and answer == "no":
            found.append(name)
    return tuple(found)


class Commission:
    """One run through the steps."""

    def __init__(self, planned: tuple[Step, ...], now_ms: int) -> None:
        self.answers: dict[str, Answer] = {}
        self.typed = ""
        self.abandoned = False
        self.steps = planned
        self._begin(now_ms)

    @property
    def step(self) -> Step | None:
        """What is asked now; None when everything is answered."""
        return self.steps[len(self.answers)] if len(self.answers) < len(self.steps) else None

    @property
    def left(self) -> str:
        """The keys that were not heard yet, of a step that waits for keys."""
        return "".join(symbol for symbol in KEYS if symbol in self._left)

    @property
    def over(self) -> bool:
        """Whether there is nothing more to ask, or nobody to ask."""
        return self.abandoned or self.step is None

    @property
    def deadline_ms(self) -> int | None:
        """When `time_over` has something to say."""
        if self.over:
            return None
        waits_ms = KEYS_MS if self.step is not None and self.step.kind == "keys" else IDLE_MS
        return self._progress_ms + waits_ms

    def press(self, symbol: str, now_ms: int, keypad: str | None = None) -> Outcome:
        """One symbol, from a keypad or (None) from the terminal."""
        step = self.step
        if step is None:
            return "nothing"
        if step.kind == "keys" and keypad is not None:
            return self._key(step, symbol, now_ms) if keypad == step.keypad else "nothing"
        self._progress_ms = now_ms
        if step.kind == "number":
            return self._figure(step, symbol, now_ms)
        if symbol == "*" and step.kind != "choice":
            return self._finish("no", now_ms)
        if step.kind == "relay" and symbol == "0":
            self._clicked = True
            return "pulse"
        word = WORDS.get(symbol, "")
        choices = YES_NO if step.kind == "relay" and self._clicked else step.choices
        return self._finish(word, now_ms) if word in choices else "refused"

    def awaits_qr(self, inside: bool) -> bool:
        """Whether a code before the reader of that side is what is asked for."""
        return self.step is not None and self.step.kind == "qr" and self.step.inside == inside

    def qr(self, text: str, now_ms: int, inside: bool = False) -> Outcome:
        """A QR text came into view. Any pass counts beside the test code; neither is judged."""
        if not self.awaits_qr(inside):
            return "nothing"
        like_a_pass = text.startswith(PREFIX) and len(text) == TEXT_CHARS
        return self._finish("yes", now_ms) if like_a_pass or text == TEST_QR else "refused"

    def exit_pressed(self, now_ms: int) -> Outcome:
        """The exit button."""
        return self._finish("yes", now_ms) if self.step is not None and self.step.kind == "exit" else "nothing"

    def leaf_moved(self, open_: bool, now_ms: int) -> Outcome:
        """The leaf: it has to be seen opening and then shut."""
        if self.step is None or self.step.kind != "leaf":
            return "nothing"
        if open_:
            self._opened, self._progress_ms = True, now_ms
            return "heard"
        return self._finish("yes", now_ms) if self._opened else "nothing"

    def time_over(self, now_ms: int) -> Outcome:
        """Whether waiting has decided something."""
        deadline_ms = self.deadline_ms
        if deadline_ms is None or now_ms < deadline_ms:
            return "nothing"
        if self.step is not None and self.step.kind == "keys":
            return self._finish("no", now_ms)
        self.abandoned = True
        return "failed"

    def abandon(self) -> None:
        """Whoever began does not go on."""
        self.abandoned = True

    def _key(self, step: Step, symbol: str, now_ms: int) -> Outcome:
        if symbol not in self._left:
            return "nothing"
        self._left.discard(symbol)
        self._progress_ms = now_ms
        return "heard" if self._left else self._finish("yes", now_ms)

    def _figure(self, step: Step, symbol: str, now_ms: int) -> Outcome:
        if symbol == "*":
            self.typed = ""
            return "heard"
        if symbol != "#":
            # One digit more than fits is kept, so that a longer figure is refused and not cut.
            self.typed = (self.typed + symbol)[: len(str(step.high)) + 1]
            return "heard"
        figure, self.typed = int(self.typed or -1), ""
        return self._finish(figure, now_ms) if step.low <= figure <= step.high else "refused"

    def _finish(self, answer: Answer, now_ms: int) -> Outcome:
        step = self.step
        assert step is not None  # whoever finishes a step has one
        self.answers[step.name] = answer
        self._begin(now_ms)
        return "failed" if step.name in shortcomings(self.answers) else "passed"

    def _begin(self, now_ms: int) -> None:
        """A step begins; what was typed or seen for the last one says nothing about it."""
        self._left = set(KEYS) if self.step is not None and self.step.kind == "keys" else set()
        self._clicked = self._opened = False
        self._progress_ms, self.typed = now_ms, ""
