"""What the screen says in every state, for every reason, in every language: `snapshots.json`, to be read by a person.

`python -m tests.controller.display.snapshots` writes it anew.
"""

import json
from pathlib import Path

from controller.display.catalogue import LANGUAGES, REFUSALS
from controller.display.screen import Composer
from controller.formats.enrolment_messages import Enrolling
from controller.formats.messages import PublicState
from tests.controller.display.states import NOON_S, public, refused

FILE = Path(__file__).with_suffix(".json")
HOUR_S = 3600

CASES: dict[str, PublicState | None] = {
    "idle": public(),
    "idle, nothing booked": public(occupied_from=None),
    "in use": public(occupied_until=NOON_S + 2 * HOUR_S),
    "ends soon": public(occupied_until=NOON_S + 900),
    "no list": public(room="", leave={}, occupied_from=None, help="", bookings=False),
    "keypad broken": public(faults=("keypad",)),
    "camera broken": public(faults=("camera",)),
    "out of order": public(faults=("camera", "keypad")),
    "controller lost": None,
    "enrolling": public(room="", bookings=False, enrolment=Enrolling(state="open")),
    "enrolling, busy": public(room="", bookings=False, enrolment=Enrolling(state="busy")),
    "enrolling, code": public(room="", bookings=False, enrolment=Enrolling(state="code", code="4821")),
    "enrolling, refused": public(room="", bookings=False, enrolment=Enrolling(state="refused", reason="bad_answer")),
    "typing": public(digits=4),
    "granted": public(shown="granted", shown_at=NOON_S),
    "signed out": public(shown="granted", shown_at=NOON_S, reason="signed_out"),
    "waiting": public(wait_s=1700),
    "too early today": refused("too_early", opens_at=NOON_S + HOUR_S),
    "too early, another day": refused("too_early", opens_at=NOON_S + 30 * HOUR_S),
    **{reason: refused(reason) for reason in sorted(REFUSALS)},
}
POLICIES = [*((language,) for language in LANGUAGES), ("nl", "fr"), LANGUAGES]


def snapshots() -> str:
    """The text of the file."""
    told = {}
    for languages in POLICIES:
        for name, state in CASES.items():
            composer = Composer()
            composer.heard(public(languages=languages), 0)
            changed = None if state is None else public_in(state, languages)
            composer.heard(changed, 0)
            screen = composer.screen(0)
            lines = [line.text for line in (*screen.headings, *screen.body, *screen.footer)]
            told[f"{' '.join(languages)}: {name}"] = [screen.state, screen.sound or "silent", *lines]
    return json.dumps(told, ensure_ascii=False, indent=1) + "\n"


def public_in(state: PublicState, languages: tuple[str, ...]) -> PublicState:
    """The same state where the town signed for other languages."""
    return public(**{name: getattr(state, name) for name in state.__struct_fields__} | {"languages": languages})


if __name__ == "__main__":
    FILE.write_text(snapshots(), "utf-8")
