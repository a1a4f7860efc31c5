"""A camera and a display process in somebody else's hands: whatever they say, nobody gets in who may not, everybody
else does, every record is kept, and neither learns a secret. A camera can always repeat a code it was shown; that is
what a photograph can do as well (docs/security.md).

`ZS_MISBEHAVIOURS=10000` for the full run."""

import json
import os
import random
from collections.abc import Callable

import pytest

from controller.formats import qr_pass
from controller.formats.encoding import canonical
from controller.formats.errors import Refused
from controller.formats.limits import LIMITS
from controller.formats.messages import FromCamera, FromDisplay, LineBuffer, decode_line
from simulator.overheard import code_secrets, layers, secret
from tests.controller.enrolled_unit import EnrolledUnit, Town
from tests.controller.worlds import DAY, GROUP_KEY, HOUR, NOON, PIN, code_list, grant, token, verifier_of

COUNT = int(os.environ.get("ZS_MISBEHAVIOURS", "400"))
VERSION = NOON - HOUR
WEEK = ((NOON - HOUR, NOON + 7 * DAY),)
QR = token(number=VERSION - 10, start_s=NOON, minutes=0)
GENUINE = code_list(grant("g1", windows=WEEK), grant("g2", pin=None, qr=QR, windows=WEEK), version=VERSION)


class Hostile:
    """Everything that somebody with a process's account can write into its socket."""

    role: str
    speaks: object

    def __init__(self, door: EnrolledUnit, chance: random.Random) -> None:
        self.door, self.chance = door, chance
        self.lines = LineBuffer(LIMITS.socket_line_bytes)
        self.tricks: list[Callable[[], None]] = [
            self.garbage, self.half_a_line, self.endless_line, self.other_verbs, self.deep_nesting, self.flap,
            self.silence, self.wrong_types,
        ]  # fmt: skip

    def misbehave(self) -> None:
        self.chance.choice(self.tricks)()

    def raw(self, data: bytes) -> None:
        """Whoever talks nonsense is disconnected and comes back."""
        performer = self.door.performer
        try:
            for line in self.lines.feed(data):
                message = decode_line(line, self.speaks, f"{self.role}.sock")  # type: ignore[call-overload]
                performer.heard(self.role, message, lambda _message: None)  # type: ignore[arg-type]
        except Refused as refused:
            self.flap(refused)
        performer.turn()

    def say(self, **members: object) -> None:
        self.raw(json.dumps(members).encode() + b"\n")

    def flap(self, refused: Refused | None = None) -> None:
        self.lines = LineBuffer(LIMITS.socket_line_bytes)
        self.door.performer.left(self.role)  # type: ignore[arg-type]
        if refused is not None:
            self.door.performer.nonsense(self.role, refused)  # type: ignore[arg-type]
        self.door.performer.joined(self.role)  # type: ignore[arg-type]

    def garbage(self) -> None:
        self.raw(self.chance.randbytes(self.chance.randrange(1, 400)) + b"\n")

    def half_a_line(self) -> None:
        self.raw(b'{"type":"read","text":"ZS1:')
        self.flap()

    def endless_line(self) -> None:
        self.raw(b"[" * (LIMITS.socket_line_bytes + 1))

    def deep_nesting(self) -> None:
        self.raw(b'{"type":' + b"[" * 5_000 + b"\n")

    def other_verbs(self) -> None:
        verbs: list[dict[str, object]] = [
            {"type": "open"}, {"type": "deliver", "kind": "list", "body": ""}, {"type": "link", "up": True},
            {"type": "status"}, {"type": "granted", "seconds": 10},
        ]  # fmt: skip
        self.say(**self.chance.choice(verbs))

    def wrong_types(self) -> None:
        values: list[object] = [None, -1, 1 << 60, 1.5, "x" * 400, [], {}, True]
        member = self.chance.choice(["text", "frames", "pages"])
        self.say(**{"type": self.chance.choice(["read", "alive"]), member: self.chance.choice(values)})

    def silence(self) -> None:
        self.door.pass_time(self.chance.random())


class HostileCamera(Hostile):
    """It knows how passes are made, a stolen key of another group, and every pass that was ever void here."""

    role, speaks = "camera", FromCamera

    def __init__(self, door: EnrolledUnit, chance: random.Random) -> None:
        super().__init__(door, chance)
        newer, stolen = VERSION + 10, bytes(32)
        self.void = [
            token(newer, NOON, 60, (stolen,)),  # another group's key
            token(newer, NOON, 60, (stolen, stolen, stolen)),
            token(newer, NOON - 2 * DAY, 60),  # long over
            token(newer, NOON + 30 * DAY, 60),  # far ahead
            token(newer, NOON - HOUR, 7 * 24 * 60),  # longer than a pass may stand alone
            token(newer, NOON, 0),
            token(VERSION - 1, NOON, 60),  # older than the list, and not in it: cancelled
            token(newer, NOON, 60, ()),
        ]
        self.tricks += [self.void_pass, self.altered_pass, self.invented_pass, self.foreign_text, self.many_at_once,
                        self.enrolment, self.alive]  # fmt: skip

    def read(self, text: str) -> None:
        self.say(type="read", text=text)

    def void_pass(self) -> None:
        self.read(self.chance.choice(self.void))

    def altered_pass(self) -> None:
        """One bit of the code that opens."""
        data = bytearray(qr_pass.parse(QR).token)
        place = self.chance.randrange(8 * len(data))
        data[place // 8] ^= 1 << place % 8
        self.read(qr_pass.QrPass(bytes(data)).text())

    def invented_pass(self) -> None:
        head = bytes([0x10 | self.chance.randrange(4)])
        self.read(qr_pass.QrPass(head + self.chance.randbytes(34)).text())

    def foreign_text(self) -> None:
        texts = ["https://example.org/", "zs1:" + QR[4:], QR + " ", QR[:-1], "ZS1:" + "=" * 56, "\0" * 300, "é" * 300,
                 PIN, "'; DROP TABLE record; --", "\u202e" + QR]  # fmt: skip
        self.read(self.chance.choice(texts))

    def many_at_once(self) -> None:
        for _ in range(20):
            self.invented_pass()

    def enrolment(self) -> None:
        self.read("ZSE1:" + "A" * 80)

    def alive(self) -> None:
        self.say(type="alive", frames=self.chance.randrange(100))


class HostileInnerCamera(HostileCamera):
    """It is shown good codes as well, by people who leave: it can sign them out, and let nobody in."""

    role = "camera_inside"

    def __init__(self, door: EnrolledUnit, chance: random.Random) -> None:
        super().__init__(door, chance)
        self.tricks += [lambda: self.read(QR)]


class HostileDisplay(Hostile):
    """It can only listen and say how many look at it."""

    role, speaks = "display", FromDisplay

    def __init__(self, door: EnrolledUnit, chance: random.Random) -> None:
        super().__init__(door, chance)
        self.tricks += [self.alive, self.flood]

    def alive(self) -> None:
        self.say(type="alive", pages=self.chance.choice([0, 1, 10_000]))

    def flood(self) -> None:
        for _ in range(50):
            self.alive()


@pytest.fixture
def door(tmp_path):
    door = EnrolledUnit(tmp_path / "data", Town())
    door.deliver_list(GENUINE)
    assert door.version == VERSION
    return door


@pytest.mark.parametrize("kind", [HostileCamera, HostileInnerCamera, HostileDisplay])
def test_a_hostile_reader_lets_nobody_in_and_keeps_nobody_out(door: EnrolledUnit, kind: type[Hostile]):
    hostile = kind(door, random.Random(11))
    asked = 0
    for turn in range(COUNT):
        hostile.misbehave()
        assert door.lock.releases == asked, "no wrong grant"
        if turn % 50 == 0:
            door.pass_time(10)
            if turn % 100 or kind is HostileDisplay:
                door.keys(PIN)
            else:
                HostileCamera(door, random.Random(0)).read(QR)
            asked += 1
            assert door.lock.releases == asked, "no missed right one"
            door.pass_time(10)
    events = door.events()
    assert [event["seq"] for event in events] == list(range(1, door.unit.log.end.seq + 1)), "no event forgotten"
    assert sum(event["kind"] == "granted" for event in events) == asked
    assert (door.version, door.floors.list_version) == (VERSION, VERSION)


@pytest.mark.parametrize("kind", [HostileCamera, HostileInnerCamera, HostileDisplay])
def test_afterwards_the_door_is_as_it_was(door: EnrolledUnit, kind: type[Hostile]):
    hostile = kind(door, random.Random(12))
    for _ in range(100):
        hostile.misbehave()
    door.pass_time(10)
    door.deliver_list(code_list(grant("g3", windows=WEEK), version=VERSION + 1, shrink=True))
    door.keys(PIN)
    assert (door.version, door.lock.releases) == (VERSION + 1, 1)
    door.start()
    assert door.version == VERSION + 1


def test_whoever_reads_the_displays_socket_learns_no_code_and_nobody(door: EnrolledUnit):
    """Not while a PIN is typed, not while a QR is shown, not afterwards."""
    camera = HostileCamera(door, random.Random(13))
    for show in (lambda: door.keys(PIN), lambda: camera.read(QR), lambda: door.keys("1111111#"), camera.void_pass):
        door.pass_time(10)
        show()
        door.pass_time(10)
    told = [canonical(message) for role, message in door.told if role == "display"]
    assert len(told) > 4
    known = [*code_secrets(PIN), *code_secrets(QR), secret("a verifier", verifier_of(PIN)),
             secret("a credential", qr_pass.parse(QR).credential), secret("a group key", GROUP_KEY)]  # fmt: skip
    assert not [each.what for text in told for _, layer in layers(text) for each in known if each.trace.search(layer)]
