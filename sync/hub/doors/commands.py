"""Commands to doors: asked for at a terminal, given by the running hub.

    id_ = CommandBook(sessions).enter(Wish("hall-1", "release", "visitor", "desk-1", None), now_s)

The broker knows one connection of the hub, so a command waits in the database until the link takes it up: it asks the
door for a challenge, again every few seconds, and gives the command with the first answer. What became of it the door
says itself, in its log. A command that found no door within a minute is over: an old one must not wait for anybody.

Lockdown and its end are in the door's list as well, so they reach a door that answers nobody: with the list, now or
when it is back. At the door the newer statement wins. What lets people in goes by command only.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from controller.formats import command as formats
from controller.formats.code_list import Posture
from controller.formats.command import Ask, Command, Verb
from controller.formats.encoding import canonical
from controller.formats.envelope import open_envelope, seal
from controller.formats.errors import Refused
from controller.formats.jwe import encrypt
from controller.formats.jwk import Signer, VerifyKey
from sync.hub.doors.readers import DoorReaders
from sync.hub.store.database import Base, Sessions, reading
from sync.hub.store.models import Door, Instant, ListRequest
from sync.topics import topic

GOOD_S: Final = 60
ASK_EVERY_S: Final = 5
BY_LIST: Final[dict[str, Literal["lockdown", "controlled"]]] = {"lockdown": "lockdown", "resume": "controlled"}
"""The postures that a list may carry for a command."""
Publish = Callable[[str, bytes, bool], bool]


class CommandEntry(Base):
    """One command. `state`: `asked` until the door answers, then `given`; `expired` when it never did."""

    __tablename__ = "commands"
    id: Mapped[int] = mapped_column(primary_key=True)
    door: Mapped[str]
    verb: Mapped[str]
    reason: Mapped[str]
    by: Mapped[str]
    until: Mapped[int | None] = mapped_column(Instant)
    entered_at: Mapped[int] = mapped_column(Instant)
    asked_at: Mapped[int] = mapped_column(Instant)
    ask: Mapped[str]
    state: Mapped[str]


@dataclass(frozen=True)
class Wish:
    """What somebody wants a door to do; `by` is who, `until` (UTC seconds) is for `attended`."""

    door: str
    verb: Verb
    reason: str
    by: str
    until: int | None


def posture_by_list(session: Session, doors: Collection[str]) -> dict[str, Posture]:
    """The posture that a door's list carries, by door: that of the newest command for one, whether or not the door took
    it."""
    newest = select(func.max(CommandEntry.id)).where(CommandEntry.door.in_(doors), CommandEntry.verb.in_(BY_LIST))
    columns = select(CommandEntry.door, CommandEntry.verb, CommandEntry.entered_at)
    found = session.execute(columns.where(CommandEntry.id.in_(newest.group_by(CommandEntry.door))))
    return {door: Posture(state=BY_LIST[verb], since=since, until=None) for door, verb, since in found}


class CommandBook:
    """Where commands are entered and looked up."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._reading = reading(sessions)

    def enter(self, wish: Wish, now_s: int) -> int:
        """Enter a command for the running hub; its number. Raises Refused `not_found`, `bad_schema`."""
        ask = secrets.token_hex(formats.NONCE_BYTES)
        formats.parse_command(_payload(wish, ask))  # refused here rather than at the door
        with self._sessions.begin() as session:
            if session.get(Door, wish.door) is None:
                raise Refused("not_found", "door", f"town.toml names no door {wish.door}")
            entry = CommandEntry(
                door=wish.door, verb=wish.verb, reason=wish.reason, by=wish.by, until=wish.until,
                entered_at=now_s, asked_at=0, ask=ask, state="asked",
            )  # fmt: skip
            session.add(entry)
            if wish.verb in BY_LIST:
                session.add(ListRequest(door=wish.door, at=now_s))
            session.flush()
            return entry.id

    def state(self, number: int) -> str:
        """`asked`, `given` or `expired`."""
        with self._reading.begin() as session:
            return session.get_one(CommandEntry, number).state


class CommandDesk:
    """The running hub's part: asks, and gives the command to the door that answers."""

    def __init__(self, sessions: Sessions, command_key: Signer, publish: Publish) -> None:
        self._sessions = sessions
        self._reading = reading(sessions)
        self._readers = DoorReaders(sessions)
        self._key = command_key
        self._publish = publish

    def use(self, command_key: Signer) -> None:
        """Sign with this key from now on."""
        self._key = command_key

    def due(self, now_s: int) -> None:
        """Ask for the challenges of what waits; end what has waited too long."""
        with self._reading.begin() as session:
            waiting = bool(_waiting(session))
        if not waiting:
            return
        with self._sessions.begin() as session:
            for entry in _waiting(session):
                if now_s - entry.entered_at > GOOD_S:
                    entry.state = "expired"
                elif now_s - entry.asked_at >= ASK_EVERY_S:
                    entry.asked_at = now_s
                    ask = Ask(ask=entry.ask, door=entry.door)
                    self._publish(topic(entry.door, "ask"), canonical(ask), False)

    def answered(self, door: str, payload: bytes, door_key: VerifyKey, now_s: int) -> None:
        """A door's challenge: give it the command that waits for this very answer, once. Raises Refused."""
        keys = {door_key.thumbprint: door_key}
        opened = open_envelope(payload, formats.ANSWER_TYP, keys, max_bytes=formats.MAX_BYTES)
        answer = formats.parse_answer(opened.payload)
        if answer.door != door:
            raise Refused("wrong_door", "answer.door", "not the door whose topic and key it came with")
        reader = self._readers.of(door)
        with self._sessions.begin() as session:
            entry = next((each for each in _waiting(session) if (each.door, each.ask) == (door, answer.ask)), None)
            if entry is None or now_s - entry.entered_at > GOOD_S:
                return
            wish = Wish(entry.door, entry.verb, entry.reason, entry.by, entry.until)  # type: ignore[arg-type]
            # Given before it is sent: sent twice would be two, and the door would take only one for true.
            entry.state = "given"
        envelope = seal(_payload(wish, answer.challenge), formats.TYP, self._key)
        self._publish(topic(door, "command"), encrypt(envelope, formats.TYP, reader).encode("ascii"), False)


def _payload(wish: Wish, challenge: str) -> bytes:
    return canonical(
        Command(by=wish.by, challenge=challenge, door=wish.door, reason=wish.reason, until=wish.until, verb=wish.verb)
    )


def _waiting(session: Session) -> list[CommandEntry]:
    return list(session.scalars(select(CommandEntry).where(CommandEntry.state == "asked").order_by(CommandEntry.id)))
