"""Commands: genuine ones are recorded and carried out, everything else is an event and nothing else."""

import os
from dataclasses import dataclass, field

import msgspec
import pytest

from controller.formats import command as formats
from controller.formats import jwe
from controller.formats.command import Answer, Command
from controller.formats.encoding import canonical, decode
from controller.formats.envelope import open_envelope, seal
from controller.formats.jwk import SigningKey, make_key
from controller.formats.messages import SendAnswer
from controller.own_keys import decrypt_key, event_key
from tests.controller.enrolled_unit import EnrolledUnit, Town
from tests.controller.worlds import DAY, HOUR, NOON, code_list, grant

ALL = ("release", "attended")


@dataclass
class Desk:
    """The hub's end."""

    door: EnrolledUnit
    sent: list[str] = field(default_factory=list)

    def challenge(self, door: str = "hall-1") -> str:
        ask = os.urandom(16).hex()
        self.door.deliver("ask", canonical({"ask": ask, "door": door}))
        answers = [message for _, message in self.door.told if isinstance(message, SendAnswer)]
        key = event_key(self.door.folder).verify_key
        opened = open_envelope(answers[-1].body.encode(), formats.ANSWER_TYP, {key.thumbprint: key}, max_bytes=4096)
        answer = decode(opened.payload, Answer, "answer")
        assert answer.ask == ask
        return answer.challenge

    def give(self, verb: str, challenge: str | None = None, key: SigningKey | None = None, **changes: object) -> None:
        members = {
            "by": "desk-1", "challenge": challenge or self.challenge(), "door": "hall-1",
            "reason": "somebody at the door",
            "until": NOON + HOUR if verb == "attended" else None, "verb": verb,
        }  # fmt: skip
        envelope = seal(canonical({**members, **changes}), formats.TYP, key or self.door.town.keys["command"])
        self.sent.append(jwe.encrypt(envelope, formats.TYP, decrypt_key(self.door.folder).encrypt_key))
        self.door.deliver("command", self.sent[-1])

    def again(self) -> None:
        self.door.deliver("command", self.sent[-1])


@pytest.fixture
def door(tmp_path):
    door = EnrolledUnit(tmp_path / "data", Town(), remote=ALL)
    door.deliver_list(code_list(grant("g1")))
    return door


@pytest.fixture
def desk(door):
    return Desk(door)


def reasons(door: EnrolledUnit) -> list[str]:
    return [event["reason"] for event in door.events("command")]


def posture(door: EnrolledUnit) -> str:
    return door.performer.door.posture(door.performer.now()).state


def test_release_once_is_recorded_with_who_asked_and_why_before_the_relay_moves(door, desk):
    desk.give("release")
    (event,) = door.events("command")
    assert (event["reason"], event["detail"]) == ("release", {"by": "desk-1", "why": "somebody at the door"})
    granted = door.events("granted")[-1]
    assert (granted["credential"], door.lock.releases) == ("remote", 1)
    assert granted["seq"] == event["seq"] + 1


def test_attended_lockdown_and_resume_change_the_posture(door, desk):
    for verb, state in (("attended", "unlocked"), ("lockdown", "lockdown"), ("resume", "controlled")):
        desk.give(verb)
        assert posture(door) == state
    assert [event["detail"]["by"] for event in door.events("posture")] == ["command"] * 3


def test_a_lockdown_survives_a_restart_and_nobody_releases_through_it(door, desk):
    desk.give("lockdown")
    door.start()
    desk.give("release")
    assert (posture(door), door.lock.releases, reasons(door)) == ("lockdown", 0, ["lockdown", "lockdown"])


def test_a_self_test_moves_nothing_and_tells_the_faults(door, desk):
    desk.give("self_test")
    assert "faults" in door.events("command")[0]["detail"]
    assert door.lock.releases == 0


def test_a_replayed_command_is_an_event_and_nothing_else(door, desk):
    desk.give("release")
    door.pass_time(20)
    desk.again()
    assert (door.lock.releases, reasons(door)) == (1, ["release", "unknown_challenge"])


def test_a_duplicated_delivery_releases_once(door, desk):
    desk.give("release")
    desk.again()
    assert door.lock.releases == 1


def test_a_late_command_is_refused_by_monotonic_time(door, desk):
    challenge = desk.challenge()
    door.pass_time(31)
    desk.give("release", challenge)
    assert (door.lock.releases, reasons(door)) == (0, ["unknown_challenge"])


def test_a_wrong_clock_does_not_make_an_old_command_young(door, desk):
    challenge = desk.challenge()
    door.clock.ntp = False
    door.pass_time(31)
    desk.give("release", challenge)
    assert door.lock.releases == 0


def test_a_command_from_before_a_restart_is_nothing(door, desk):
    challenge = desk.challenge()
    door.start()
    desk.give("release", challenge)
    assert (door.lock.releases, reasons(door)) == (0, ["unknown_challenge"])


def test_a_challenge_is_spent_by_a_command_that_is_not_allowed(tmp_path):
    door = EnrolledUnit(tmp_path / "data", Town())
    desk = Desk(door)
    challenge = desk.challenge()
    desk.give("release", challenge)
    desk.give("lockdown", challenge)
    assert (reasons(door)[0], posture(door), door.lock.releases) == ("not_allowed", "controlled", 0)


@pytest.mark.parametrize("verb", ALL)
def test_remote_entry_is_off_unless_the_doors_own_config_allows_it(tmp_path, verb):
    door = EnrolledUnit(tmp_path / "data", Town())
    Desk(door).give(verb)
    assert (reasons(door), door.lock.releases, posture(door)) == (["not_allowed"], 0, "controlled")


@pytest.mark.parametrize(
    ("attack", "refused"),
    [
        ("stranger", "unknown_key"),
        ("list key", "unknown_key"),
        ("another door", "wrong_door"),
        ("invented challenge", "unknown_challenge"),
        ("unknown verb", "bad_schema"),
        ("until on a release", "bad_schema"),
        ("control characters", "bad_schema"),
    ],
)
def test_forged_commands_are_events_and_nothing_else(door, desk, attack, refused):
    match attack:
        case "stranger":
            desk.give("release", key=make_key())
        case "list key":
            desk.give("release", key=door.town.keys["list"])
        case "another door":
            desk.give("release", door="hall-2")
        case "invented challenge":
            desk.give("release", "ab" * 16)
        case "unknown verb":
            desk.give("open")
        case "until on a release":
            desk.give("release", until=NOON)
        case "control characters":
            desk.give("release", reason="\x1b[31m")
    assert (door.lock.releases, reasons(door)) == (0, [refused])


def test_a_signed_command_in_clear_is_refused(door, desk):
    challenge = desk.challenge()
    command = Command(by="x", challenge=challenge, door="hall-1", reason="x", until=None, verb="release")
    door.deliver("command", seal(canonical(command), formats.TYP, door.town.keys["command"]))
    assert (door.lock.releases, reasons(door)) == (0, ["not_encrypted"])


def test_a_revoked_command_key_commands_nothing(door, desk):
    stolen = door.town.keys["command"]
    door.town.retire("command", "revoked")
    door.town.sign_trust()
    door.deliver_trust()
    desk.give("release", key=stolen)
    assert (door.lock.releases, reasons(door)) == (0, ["unknown_key"])


def test_a_command_key_past_its_date_commands_nothing(door, desk):
    door.pass_time(91 * DAY)
    desk.give("release")
    assert (door.lock.releases, reasons(door)) == (0, ["unknown_key"])


def test_a_command_key_of_other_doors_commands_nothing(door, desk):
    narrow = tuple(msgspec.structs.replace(key, doors=("annex-",)) for key in door.town.trust().keys)
    door.town.sign_trust(keys=narrow)
    door.deliver_trust()
    desk.give("release")
    assert (door.lock.releases, reasons(door)) == (0, ["unknown_key"])


@pytest.mark.parametrize("until", [NOON - 1, NOON + DAY])
def test_a_door_does_not_stand_open_for_a_mistyped_hour(door, desk, until):
    desk.give("attended", until=until)
    assert (posture(door), reasons(door)) == ("controlled", ["bad_until"])


def test_another_doors_ask_is_refused(door):
    door.deliver("ask", canonical({"ask": "ab" * 16, "door": "hall-2"}))
    assert reasons(door) == ["wrong_door"]
    assert not [message for _, message in door.told if isinstance(message, SendAnswer)]


def test_a_flood_of_asks_delays_and_opens_nothing(door, desk):
    first = desk.challenge()
    for _ in range(1_000):
        desk.challenge()
    desk.give("release", first)
    assert door.lock.releases == 0
    desk.give("release")
    assert door.lock.releases == 1
