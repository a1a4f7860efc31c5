"""What a running unit says of a grant: what the door itself would, and nothing comes of asking."""

import json
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from controller import cli
from controller.decide import Moment, PinPresented, QrPresented, decide, decide_grant
from controller.door_events import FaultChanged, LeafMoved, QrRead
from controller.explain import utc_text
from controller.formats.code_list import Posture
from controller.formats.messages import AskCommissioning, AskExplain, Explained, Explanation
from controller.formats.reasons import Reason
from tests.controller.enrolled_unit import EnrolledUnit, Town
from tests.controller.wired_unit import LINES, wired_unit
from tests.controller.worlds import DAY, HOUR, NOON, PIN, WRONG, Bench, code_list, grant, installed, token, verifier_of

QR = token()
BOTH = grant(qr=QR)


def ask(unit: EnrolledUnit, grant_id: str = "g1") -> Explained:
    answers: list[msgspec.Struct] = []
    unit.performer.heard("admin", AskExplain(grant=grant_id), answers.append)
    [explained] = answers
    assert isinstance(explained, Explained)
    return explained


def reasons(explained: Explained) -> dict[str | None, str]:
    return {each.credential: each.reason.value for each in explained.verdicts}


@pytest.fixture
def unit(tmp_path: Path) -> EnrolledUnit:
    return EnrolledUnit(tmp_path / "unit", Town())


def test_every_kind_of_credential_of_a_grant_is_answered(unit: EnrolledUnit):
    unit.deliver_list(code_list(BOTH))
    granted = [Explanation(credential=each, reason=Reason.GRANTED, opens_at=None) for each in ("pin", "qr")]
    assert ask(unit) == Explained(grant="g1", verdicts=tuple(granted))


def test_what_has_no_credential_says_why(unit: EnrolledUnit):
    def alone(grant_id: str | None, reason: Reason) -> Explained:
        return Explained(grant=grant_id, verdicts=(Explanation(credential=None, reason=reason, opens_at=None),))

    assert ask(unit) == alone(None, Reason.LIST_MISSING)
    unit.deliver_list(code_list(grant(pin=None)))
    assert ask(unit, "g2") == alone(None, Reason.UNKNOWN_CODE)
    assert ask(unit, "g1") == alone("g1", Reason.UNKNOWN_CODE)


def test_the_doors_own_clock_posture_and_uses_count(unit: EnrolledUnit):
    later = grant("later", "111111", windows=((NOON + HOUR, NOON + 2 * HOUR),))
    once = grant("once", "222222", max_uses=1)
    unit.deliver_list(code_list(BOTH, later, once))
    [early] = ask(unit, "later").verdicts
    assert (early.reason, early.opens_at) == (Reason.TOO_EARLY, NOON + HOUR)
    unit.keys("222222")
    unit.performer.feed(LeafMoved(open=True))
    assert reasons(ask(unit, "once")) == {"pin": "used_up"}
    unit.pass_time(HOUR)
    assert reasons(ask(unit)) == {"pin": "too_late", "qr": "too_late"}
    locked = Posture(state="lockdown", since=NOON, until=None)
    unit.deliver_list(code_list(BOTH, later, version=NOON, posture=locked))
    assert reasons(ask(unit, "later")) == {"pin": "lockdown"}


def test_without_a_trusted_clock_windows_cannot_be_judged(tmp_path: Path):
    bench = Bench(installed(BOTH), clock="floor")
    verdicts = decide_grant(bench.installed, "g1", bench.now().moment(), "controlled", {}, 10)
    assert [each.reason for each in verdicts] == [Reason.CLOCK_UNTRUSTED] * 2


def test_without_a_try_no_pin_opens_but_a_qr_does(unit: EnrolledUnit):
    unit.deliver_list(code_list(BOTH))
    while unit.performer.door.tries_left(unit.performer.now()):
        unit.keys(WRONG)
    assert reasons(ask(unit)) == {"pin": "locked_out", "qr": "granted"}


@pytest.mark.parametrize("posture", ["controlled", "lockdown"])
@pytest.mark.parametrize("uses", [0, 1])
@pytest.mark.parametrize("at_s", [NOON - DAY, NOON - 60, NOON, NOON + HOUR, NOON + DAY, NOON + 30 * DAY])
def test_it_is_what_the_credentials_themselves_are_answered(posture: Any, uses: int, at_s: int):
    rules = installed(grant(qr=QR, max_uses=1))
    moment = Moment(at_s, trusted=True, floor_s=NOON - DAY)
    presented = (PinPresented(verifier_of(PIN)), QrPresented(QR))
    own = tuple(decide(rules, each, moment, posture, {"g1": uses}) for each in presented)
    assert decide_grant(rules, "g1", moment, posture, {"g1": uses}, 10) == own


def test_nothing_comes_of_asking(unit: EnrolledUnit):
    unit.deliver_list(code_list(BOTH))
    unit.performer.joined("display")
    unit.performer.feed(QrRead("somebody else's"))  # an answer is on the screen
    unit.performer.turn()
    door = unit.performer.door

    def everything() -> tuple[Any, ...]:
        unit.performer.turn()
        tries = door.tries_left(unit.performer.now())
        memory = msgspec.to_builtins(door.memory)
        return (unit.events(), len(unit.told), tries, memory, door.shown, door.shown_at_s, unit.lock.releases)

    before = everything()
    for grant_id in ("g1", "g2") * 20:
        ask(unit, grant_id)
    assert everything() == before


# ---- at the prompt


def run(*options: str) -> Any:
    return CliRunner().invoke(cli.app, ["explain", *options])


def test_the_prompt_asks_a_unit_over_its_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with wired_unit(tmp_path, monkeypatch) as unit:
        unit.start()
        now_s = unit.runner._performer.now().utc_s
        tomorrow = grant(qr=QR, windows=((now_s + DAY, now_s + 2 * DAY),))
        dated = {"issued": now_s, "refresh_after": now_s + DAY, "valid_until": now_s + 21 * DAY}
        unit.runner._performer.door.installed = installed(tomorrow, **dated)
        asked: dict[str, Any] = {}

        def staff() -> None:
            for name, more in (("text", []), ("json", ["--json"])):
                asked[name] = run("--grant", "g1", "--sockets", str(tmp_path / "run"), *more)

        terminal = threading.Thread(target=staff)
        terminal.start()
        assert unit.until(lambda: not terminal.is_alive())
        assert not any(change.high for change in unit.board.history(LINES["lock"]))
        assert not {"granted", "refused"} & {event["kind"] for event in unit.events()}
    pin, qr = (json.loads(line) for line in asked["json"].stdout.splitlines())
    assert (asked["text"].exit_code, asked["json"].exit_code, asked["text"].stderr) == (0, 0, "")
    told = {"verdict": "refused", "reason": "too_early", "grant": "g1"}
    opens_at = utc_text(now_s + DAY)  # a PIN so far from its window looks unknown at the door
    assert (pin, qr) == (told | {"credential": "pin"}, told | {"opens_at": opens_at, "credential": "qr"})
    assert asked["text"].stdout.splitlines() == [
        "pin: refused: too_early (grant g1)",
        f"qr: refused: too_early (grant g1), opens at {opens_at}",
    ]


def test_what_no_verdict_tells_is_said_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with wired_unit(tmp_path, monkeypatch) as unit:
        unit.start()
        performer = unit.runner._performer
        performer.heard("admin", AskCommissioning(do="begin"), lambda _answer: None)
        assert performer.door.commissioning.running
        performer.feed(FaultChanged("disk", True))
        asked: list[Any] = []
        terminal = threading.Thread(
            target=lambda: asked.append(run("--grant", "g1", "--sockets", str(tmp_path / "run"), "--json"))
        )
        terminal.start()
        assert unit.until(lambda: not terminal.is_alive())
    [done] = asked
    assert done.exit_code == 0
    assert [json.loads(line)["reason"] for line in done.stdout.splitlines()] == ["list_missing"]
    service, storage = done.stderr.splitlines()
    assert ("brought into service" in service, "disk" in storage) == (True, True)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--grant", "g1", "--at", "2026-07-17T12:00:00Z"), "bad_case"),
        (("--grant", "g1", "--list", "list.json"), "bad_case"),
        (("--grant", "no grant"), "bad_case"),
        (("--grant", "\udcff"), "bad_case"),
        (("--sockets", "run", "--list", "list.json"), "bad_case"),
        (("--grant", "g1", "--sockets", "nowhere"), "no_answer"),
    ],
)
def test_a_question_that_is_none_and_a_unit_that_is_not_there(options: tuple[str, ...], code: str):
    done = run(*options, "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["refused"] == code


def test_without_a_grant_a_list_is_wanted():
    done = run("--pin", PIN)
    assert done.exit_code == 2
    assert "Missing option '--list'." in done.output
