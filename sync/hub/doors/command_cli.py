"""`zaalsleutel hub command`: have a door do something, now."""

from __future__ import annotations

import getpass
import time
from datetime import UTC, datetime
from typing import Annotated, Any, get_args

import typer

from controller.formats.command import Verb
from controller.formats.errors import Refused
from sync.hub.doors.commands import BY_LIST, CommandBook, Wish
from sync.hub.store.database import Sessions

WAIT_S = 65.0
LOOK_EVERY_S = 0.25
VERBS: dict[str, Verb] = {verb.replace("_", "-"): verb for verb in get_args(Verb)}

DoorArgument = Annotated[str, typer.Argument(help="A door of town.toml.")]
VerbArgument = Annotated[str, typer.Argument(help=", ".join(VERBS))]
Reason = Annotated[str, typer.Option(help="Why; recorded at the door.")]
By = Annotated[str | None, typer.Option(help="Who asks; your account's name unless given.")]
Until = Annotated[str | None, typer.Option(help="RFC 3339 instant, for `attended`.", metavar="INSTANT")]


def give(sessions: Sessions, door: str, verb: str, reason: str, by: str | None, until: str | None) -> str:
    """Enter the command and wait until the running hub has given it: one sentence about that. Raises Refused, also
    `no_answer` when the door was silent for a minute."""
    if verb not in VERBS:
        raise Refused("bad_request", "verb", f"one of {', '.join(VERBS)}")
    book = CommandBook(sessions)
    wish = Wish(door, VERBS[verb], reason, by or getpass.getuser(), None if until is None else _seconds(until))
    number = book.enter(wish, int(time.time()))
    over_s = time.monotonic() + WAIT_S
    while book.state(number) == "asked" and time.monotonic() < over_s:
        time.sleep(LOOK_EVERY_S)
    if book.state(number) != "given" and wish.verb in BY_LIST:
        return f"{door} did not answer within a minute; its list says it, and it will follow when that arrives"
    if book.state(number) != "given":
        raise Refused("no_answer", "door", f"{door} did not answer within a minute; is `hub serve` running?")
    return f"given to {door}; what became of it is in its log"


def _seconds(text: str) -> int:
    try:
        instant: Any = datetime.fromisoformat(text)
    except ValueError:
        raise Refused("bad_request", "--until", "not an RFC 3339 instant") from None
    if instant.tzinfo is None:
        raise Refused("bad_request", "--until", "needs an offset, e.g. Z")
    return int(instant.astimezone(UTC).timestamp())
