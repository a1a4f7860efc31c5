"""The door while it is brought into service: whose keys count, what moves, what is written down."""

from controller.commission import KEYS
from controller.door_events import CommissionAsked, Effect, ExitPressed, LeafMoved, QrRead, Record, Release, Show
from controller.draft import Draft
from controller.memory import Memory
from tests.controller.worlds import PIN, Bench, grant, installed, token

STAFF = "730164"
LIST = installed(grant(), grant("staff", STAFF, kind="facility"))


def drafts(effects: list[Effect]) -> list[Draft]:
    found = [draft for effect in effects if isinstance(effect, Record) for draft in effect.drafts]
    return [draft for draft in found if draft.kind == "commissioning"]


def results(bench: Bench) -> list[str | None]:
    return [draft.reason for draft in drafts(bench.effects)]


def asked(bench: Bench) -> str | None:
    guidance = bench.door.commissioning.guidance()
    return None if guidance is None else guidance.step


def begun(**fields: object) -> Bench:
    bench = Bench(installed=LIST, **fields)  # type: ignore[arg-type]
    bench.keys(f"#2{STAFF}")
    return bench


def try_everything(bench: Bench, floor: str = "1") -> None:
    for reader in ("outside", "second"):
        bench.keys(KEYS, reader)
    bench.keys("01")
    bench.step(LeafMoved(True))
    bench.step(LeafMoved(False))
    bench.keys(f"1000#600#{floor}13121117#")


def test_staff_bring_a_door_into_service_with_their_code():
    bench = begun()
    assert asked(bench) == "keys"
    try_everything(bench)
    assert results(bench) == ["begun", "relay", "passed"]
    passed = drafts(bench.effects)[-1]
    assert (passed.grant, passed.credential, passed.detail["by"]) == ("staff", "pin", "keypad")
    assert passed.detail["keypad_mm"] == 1000 and passed.detail["sheet"] == 17 and passed.detail["short"] == ""
    assert bench.door.memory.in_service and asked(bench) == "passed"
    bench.wait(20)
    assert asked(bench) is None


def test_a_no_keeps_it_out_of_service_also_one_that_was_in_it():
    bench = begun(memory=Memory(tries=10, in_service=True))
    try_everything(bench, floor="3")
    failed = drafts(bench.effects)[-1]
    assert (failed.reason, failed.detail["short"], failed.detail["floor"]) == ("failed", "floor", "no")
    assert not bench.door.memory.in_service
    kept = next(effect.kept for effect in reversed(bench.effects) if isinstance(effect, Record))
    assert kept["in_service"] is False


def test_only_a_facility_code_begins_it_and_others_are_unknown():
    bench = Bench(installed=LIST)
    bench.keys(f"#2{PIN}")
    assert asked(bench) is None and drafts(bench.effects) == []
    assert [effect for effect in bench.effects if isinstance(effect, Show)][-1].signal == "refused"


def test_while_it_runs_nobody_gets_in_by_key_or_code():
    bench = begun()
    bench.keys(PIN + PIN)
    bench.qr(token())
    assert not [effect for effect in bench.effects if isinstance(effect, Release)]
    bench.wait(3600)
    assert asked(bench) is None and results(bench)[-1] == "abandoned"


def test_the_lock_clicks_for_a_second_after_its_record():
    bench = begun()
    bench.keys(KEYS)
    bench.keys(KEYS, "second")
    effects = bench.keys("0")
    assert [type(effect) for effect in effects[:2]] == [Record, Release]
    assert effects[1] == Release(1)


def test_the_terminal_begins_only_on_a_unit_that_is_not_in_service():
    fresh, serving = Bench(installed=None), Bench(memory=Memory(tries=10, in_service=True))
    for bench in (fresh, serving):
        bench.step(CommissionAsked("begin"))
    assert (asked(fresh), asked(serving)) == ("keys", None)
    serving.step(CommissionAsked("press", "0"))
    assert drafts(serving.effects) == []
    fresh.step(CommissionAsked("press", "*"))
    assert fresh.door.commissioning.answers == {"keys_outside": "no"}
    fresh.step(CommissionAsked("abandon"))
    assert results(fresh) == ["begun", "abandoned"] and not fresh.door.memory.in_service


def test_leaving_goes_on_being_written_down():
    bench = begun()
    effects = bench.step(ExitPressed()) + bench.step(LeafMoved(True))
    assert "out" in [draft.kind for effect in effects if isinstance(effect, Record) for draft in effect.drafts]


def test_who_leaves_by_the_reader_inside_is_written_down_meanwhile():
    bench = Bench(installed=installed(grant(qr=token()), grant("staff", STAFF, kind="facility")))
    bench.qr(token())
    bench.step(LeafMoved(True))
    bench.step(LeafMoved(False))
    bench.keys(f"#2{STAFF}")
    bench.step(QrRead(token(), inside=True))
    told = [draft for effect in bench.effects if isinstance(effect, Record) for draft in effect.drafts]
    assert [(draft.kind, draft.grant) for draft in told if draft.kind in {"in", "out"}] == [("in", "g1"), ("out", "g1")]
    assert asked(bench) == "keys"


def test_it_survives_what_is_kept():
    kept = Memory(tries=3, in_service=True).everything()
    assert Memory.restore(kept).in_service
    assert Memory.restore({}).in_service is False
    # A log that cannot be read must not become a relay that tests itself.
    assert Memory.restore(None).in_service is True
