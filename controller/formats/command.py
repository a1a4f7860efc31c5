"""Commands from the hub, each an answer to a challenge of the door.

    hub   ask      {"ask", "door"}                                      unsigned: anybody may ask for a challenge
    door  answer   {"ask", "challenge", "door"}                         signed by the door, `zs-answer-1`
    hub   command  {"by", "challenge", "door", "reason", "until", "verb"}   signed, `zs-command-1`, then encrypted

The challenge is 128 random bits, good once and for 30 s of the door's monotonic time, and lives in memory only: a
command that is replayed, late, another door's, or from before a restart answers nothing, whatever any clock says.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from controller.formats.code_list import DoorId, Seconds
from controller.formats.encoding import decode, whole
from controller.formats.errors import Refused

T = TypeVar("T")

TYP = "zs-command-1"
ANSWER_TYP = "zs-answer-1"
MAX_BYTES = 4 << 10
SEALED_BYTES = 12 << 10
NONCE_BYTES = 16

Verb = Literal["release", "attended", "lockdown", "resume", "self_test"]
Nonce = Annotated[str, Meta(pattern=whole(r"[0-9a-f]{32}"))]
Words = Annotated[str, Meta(min_length=1, max_length=100, pattern=whole(r"[ -~]+"))]


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The hub wants a challenge; `ask` tells answers apart and proves nothing."""

    ask: Nonce
    door: DoorId


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The door's challenge for one command."""

    ask: Nonce
    challenge: Nonce
    door: DoorId


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to do, who wants it and why (both recorded at the door). `until` (UTC seconds) is for `attended` alone."""

    by: Words
    challenge: Nonce
    door: DoorId
    reason: Words
    until: Seconds | None
    verb: Verb


def parse_ask(data: bytes) -> Ask:
    """Raises Refused."""
    return _parse(data, Ask, "ask")


def parse_answer(data: bytes) -> Answer:
    """Raises Refused."""
    return _parse(data, Answer, "answer")


def parse_command(data: bytes) -> Command:
    """Raises Refused; `bad_schema` also for `until` where it has no meaning, or lacks where it has."""
    command = _parse(data, Command, "command")
    if (command.verb == "attended") != (command.until is not None):
        raise Refused("bad_schema", "command.until", "for `attended`, and for nothing else")
    return command


def _parse(data: bytes, kind: type[T], where: str) -> T:
    if len(data) > MAX_BYTES:
        raise Refused("too_large", where, f"over {MAX_BYTES} bytes")
    return decode(data, kind, where)
