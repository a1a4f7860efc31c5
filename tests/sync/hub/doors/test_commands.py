"""Commands at the hub: entered, asked for, given once, and over after a minute."""

import pytest

from controller.formats import command as formats
from controller.formats import jwe
from controller.formats.command import Answer
from controller.formats.encoding import canonical
from controller.formats.envelope import open_envelope, seal
from controller.formats.errors import Refused
from controller.formats.jwk import make_key
from sync.hub.doors.commands import CommandBook, CommandDesk, Wish
from sync.hub.doors.readers import DoorReaders
from sync.hub.store.database import open_database
from sync.hub.store.models import Door

NOW = 1_784_000_040
DOOR_KEY, READER, COMMAND_KEY = make_key(), jwe.make_key(), make_key()
WISH = Wish("a-1", "release", "visitor", "desk-1", None)
CHALLENGE = "cd" * 16


@pytest.fixture
def sessions(tmp_path):
    sessions = open_database(f"sqlite:///{tmp_path}/hub.db")
    with sessions.begin() as session:
        session.add(Door(id="a-1", door_group="room:A", salt="A" * 22))
    DoorReaders(sessions).register("a-1", READER.encrypt_key)
    return sessions


@pytest.fixture
def sent():
    return []


@pytest.fixture
def desk(sessions, sent):
    return CommandDesk(sessions, COMMAND_KEY, lambda *message: not sent.append(message))


def answer(ask: str, key=DOOR_KEY, door: str = "a-1") -> bytes:
    return seal(canonical(Answer(ask=ask, challenge=CHALLENGE, door=door)), formats.ANSWER_TYP, key)


def asked(sent) -> str:
    topic, payload, retain = sent[-1]
    assert (topic, retain) == ("zs/1/a-1/ask", False)
    return formats.parse_ask(payload).ask


def test_a_command_is_given_once_to_the_door_that_answered(sessions, desk, sent):
    number = CommandBook(sessions).enter(WISH, NOW)
    desk.due(NOW)
    ask = asked(sent)
    for _ in range(2):
        desk.answered("a-1", answer(ask), DOOR_KEY.verify_key, NOW + 1)
    assert len(sent) == 2
    topic, payload, retain = sent[1]
    assert (topic, retain) == ("zs/1/a-1/command", False)
    envelope = jwe.decrypt(payload.decode(), formats.TYP, READER, max_bytes=formats.SEALED_BYTES)
    key = COMMAND_KEY.verify_key
    opened = open_envelope(envelope, formats.TYP, {key.thumbprint: key}, max_bytes=formats.SEALED_BYTES)
    command = formats.parse_command(opened.payload)
    assert (command.challenge, command.by, command.reason) == (CHALLENGE, "desk-1", "visitor")
    assert CommandBook(sessions).state(number) == "given"


def test_an_old_command_waits_for_nobody(sessions, desk, sent):
    number = CommandBook(sessions).enter(WISH, NOW)
    desk.due(NOW)
    ask = asked(sent)
    desk.answered("a-1", answer(ask), DOOR_KEY.verify_key, NOW + 61)
    desk.due(NOW + 61)
    assert (len(sent), CommandBook(sessions).state(number)) == (1, "expired")


@pytest.mark.parametrize(
    ("payload", "refused"),
    [
        (answer("ab" * 16, make_key()), "unknown_key"),
        (answer("ab" * 16, door="b-1"), "wrong_door"),
        (b"{}", "bad_members"),
    ],
)
def test_a_forged_answer_gets_no_command(sessions, desk, sent, payload, refused):
    CommandBook(sessions).enter(WISH, NOW)
    with pytest.raises(Refused, match=refused):
        desk.answered("a-1", payload, DOOR_KEY.verify_key, NOW)
    assert sent == []


def test_an_answer_nobody_asked_for_gets_no_command(sessions, desk, sent):
    CommandBook(sessions).enter(WISH, NOW)
    desk.answered("a-1", answer("ab" * 16), DOOR_KEY.verify_key, NOW)
    assert sent == []


def test_asks_are_repeated_but_not_every_second(sessions, desk, sent):
    CommandBook(sessions).enter(WISH, NOW)
    for second in range(10):
        desk.due(NOW + second)
    assert len(sent) == 2


@pytest.mark.parametrize("wish", [Wish("a-1", "attended", "x", "y", None), Wish("a-1", "release", "x\n", "y", None)])
def test_what_the_door_would_refuse_is_not_entered(sessions, wish):
    with pytest.raises(Refused, match="bad_schema"):
        CommandBook(sessions).enter(wish, NOW)
    with pytest.raises(Refused, match="not_found"):
        CommandBook(sessions).enter(Wish("z-9", "resume", "x", "y", None), NOW)
