"""The trust gate: every refusal by its name. What is on disk after one: `test_bad_input.py`."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from controller.codelist import Accepted, Floors, GateTime, accept_installed, accept_new
from controller.formats import code_list as formats
from controller.formats.code_list import CodeList
from controller.formats.encoding import b64, canonical, parse_object
from controller.formats.envelope import seal
from controller.formats.errors import Refused
from controller.formats.jwk import make_key
from controller.formats.trust import Trust, TrustKey
from tests.controller.worlds import DAY, HOUR, NOON, code_list, grant

KEY, OTHER, ELSEWHERE = make_key(), make_key(), make_key()
ROOTS = (make_key(), make_key(), make_key())
NOW = GateTime(NOON, trusted=True)


def trust_key(key: Any, **fields: Any) -> TrustKey:
    defaults: dict[str, Any] = {"purpose": "list", "state": "active", "doors": ("",), "expires": NOON + 90 * DAY}
    return TrustKey(jwk=key.verify_key.jwk(), **{**defaults, **fields})


def trust(*keys: TrustKey, **fields: Any) -> Trust:
    defaults: dict[str, Any] = {
        "version": 1,
        "epoch": 1,
        "issued": 0,
        "expires": NOON + 300 * DAY,
        "threshold": 2,
        "roots": tuple(root.verify_key.jwk() for root in ROOTS),
        "keys": keys or (trust_key(KEY),),
        "authorities": (),
        "time_floor": None,
    }
    return Trust(**{**defaults, **fields})


def sealed(rules: CodeList, key: Any = KEY, typ: str = formats.TYP) -> bytes:
    return seal(formats.dump(rules), typ, key)


def floors_of(rules: CodeList) -> Floors:
    return Floors(formats.payload_hash(formats.dump(rules)), rules.version, clock_s=NOON - HOUR)


OLD = code_list(*(grant(f"g{n}", pin=None) for n in range(30)), version=1_000)
NEW = msgspec.structs.replace(OLD, version=1_001)


def accept(
    envelope: bytes,
    believed: Trust | None = None,
    floors: Floors | None = None,
    installed: CodeList | None = OLD,
    time: GateTime = NOW,
) -> Accepted | None:
    return accept_new(envelope, "hall-1", believed or trust(), floors or floors_of(OLD), installed, time)


def refusal(envelope: bytes, **more: Any) -> str:
    with pytest.raises(Refused) as caught:
        accept(envelope, **more)
    return caught.value.code


def changed(**fields: Any) -> bytes:
    return sealed(msgspec.structs.replace(NEW, **fields))


def test_a_newer_list_is_accepted():
    accepted = accept(sealed(NEW))
    assert accepted == Accepted(NEW, formats.payload_hash(formats.dump(NEW)))


def test_the_first_list_is_accepted():
    assert accept(sealed(OLD), floors=Floors(), installed=None) is not None


def test_the_same_list_again_is_nothing_new_however_it_was_signed():
    believed = trust(trust_key(KEY), trust_key(OTHER))
    assert accept(sealed(OLD)) is None
    assert accept(sealed(OLD, OTHER), believed=believed) is None


def test_a_door_that_lost_its_file_takes_the_same_list_again():
    accepted = accept(sealed(OLD), installed=None)
    assert accepted is not None
    assert accepted.code_list == OLD


@pytest.mark.parametrize(
    ("envelope", "code"),
    [
        (b"", "not_json"),
        (b"x" * (4 << 20), "not_json"),
        (b"x" * ((4 << 20) + 1), "too_large"),
        (b"{}", "bad_members"),
        (b'{"payload":"","payload":"","protected":"","signature":""}', "duplicate_member"),
        (sealed(NEW, typ="zs-receipt-1"), "wrong_type"),
        (sealed(NEW, OTHER), "unknown_key"),
        (canonical({**parse_object(sealed(NEW), ""), "payload": b64(formats.dump(OLD))}), "bad_signature"),
        (seal(b"not json", formats.TYP, KEY), "not_json"),
        (seal(b"{}", formats.TYP, KEY), "bad_schema"),
        (changed(refresh_after=NOON + 99 * DAY), "bad_list"),
        (changed(door="hall-2"), "wrong_door"),
        (changed(epoch=2), "wrong_epoch"),
        (changed(version=999), "rolled_back"),
        (changed(version=1_000, shrink=True), "list_fork"),
        (changed(issued=NOON - 9, refresh_after=NOON, valid_until=NOON), "list_expired"),
        (changed(issued=NOON + 121), "issued_ahead"),
        (changed(grants=()), "unexplained_shrink"),
        (changed(grants=OLD.grants[:2]), "unexplained_shrink"),
    ],
)
def test_refused(envelope: bytes, code: str):
    with pytest.raises(Refused) as caught:
        accept(envelope, floors=floors_of(OLD))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ((trust_key(KEY, purpose="receipt"),), "unknown_key"),
        ((trust_key(KEY, state="retired"),), "unknown_key"),
        ((trust_key(KEY, state="revoked"),), "unknown_key"),
        ((trust_key(KEY, doors=("foyer-",)),), "unknown_key"),
        ((trust_key(KEY, expires=NOON),), "unknown_key"),
    ],
)
def test_only_a_living_active_key_with_this_scope_signs(keys: tuple[TrustKey, ...], code: str):
    assert refusal(sealed(NEW), believed=trust(*keys)) == code
    assert accept(sealed(NEW), believed=trust(trust_key(KEY, doors=("foyer-", "hall-")))) is not None


@pytest.mark.parametrize(("expires", "refused"), [(NOON, True), (NOON + 1, False)])
def test_expired_trust_takes_no_new_list(expires: int, refused: bool):
    if refused:
        assert refusal(sealed(NEW), believed=trust(expires=expires)) == "trust_expired"
    else:
        assert accept(sealed(NEW), believed=trust(expires=expires))


def test_edges_of_time():
    assert accept(changed(issued=NOON + 120))
    assert accept(changed(issued=NOON + 121, refresh_after=NOON + DAY), time=GateTime(NOON, trusted=False))
    assert accept(changed(issued=NOON - 9, refresh_after=NOON, valid_until=NOON + 1))


@pytest.mark.parametrize(
    ("live", "kept", "fine"), [(30, 3, True), (30, 2, False), (70, 7, True), (70, 6, False), (10, 1, True)]
)
def test_nine_tenths_may_go_without_a_word(live: int, kept: int, fine: bool):
    many = code_list(*(grant(f"g{n}", pin=None) for n in range(live)), version=1_000)
    few = msgspec.structs.replace(many, version=1_001, grants=many.grants[:kept])
    if fine:
        assert accept(sealed(few), floors=floors_of(many), installed=many)
    else:
        assert refusal(sealed(few), floors=floors_of(many), installed=many) == "unexplained_shrink"
    said = msgspec.structs.replace(few, shrink=True)
    assert accept(sealed(said), floors=floors_of(many), installed=many)


def test_what_is_over_may_go():
    assert accept(changed(grants=()), time=GateTime(NOON + HOUR, trusted=True))


def test_a_gate_that_fails_refuses():
    broken: Any = None
    with pytest.raises(Refused) as caught:
        accept_new(sealed(NEW), "hall-1", broken, Floors(), None, NOW)
    assert caught.value.code == "gate_failed"


# ---- the list found on disk at start


def at_start(envelope: bytes, believed: Trust, floors: Floors) -> str:
    try:
        accept_installed(envelope, "hall-1", believed, floors)
    except Refused as refused:
        return refused.code
    return "accepted"


@pytest.mark.parametrize(
    ("believed", "expected"),
    [
        (trust(), "accepted"),
        (trust(expires=0), "accepted"),
        (trust(trust_key(KEY, state="retired")), "accepted"),
        (trust(trust_key(KEY, expires=0)), "accepted"),
        (trust(trust_key(KEY, state="revoked")), "unknown_key"),
        (trust(epoch=2), "wrong_epoch"),
    ],
)
def test_the_installed_list_is_judged_again_at_every_start(believed: Trust, expected: str):
    assert at_start(sealed(OLD), believed, floors_of(OLD)) == expected


def test_at_start_only_the_list_the_floors_name_counts():
    expired = msgspec.structs.replace(OLD, issued=0, refresh_after=1, valid_until=2)
    assert at_start(sealed(expired), trust(), floors_of(expired)) == "accepted"
    assert at_start(sealed(NEW), trust(), floors_of(OLD)) == "rolled_back"
    assert at_start(sealed(OLD), trust(), floors_of(NEW)) == "rolled_back"
    assert at_start(sealed(OLD), trust(), replace(floors_of(OLD), list_version=999)) == "rolled_back"


def test_a_list_edited_on_the_card_is_no_list():
    assert at_start(sealed(OLD, OTHER), trust(), floors_of(OLD)) == "unknown_key"


def limited(*kinds: Any) -> Trust:
    return trust(trust_key(KEY, kinds=kinds))


def test_a_key_lets_in_only_the_kinds_it_is_for():
    cleaners = msgspec.structs.replace(NEW, grants=(grant("c1", kind="cleaning", pin=None),), shrink=True, pass_keys=())
    assert accept(sealed(cleaners), limited("cleaning", "technical"))
    assert refusal(sealed(cleaners), believed=limited("technical")) == "wrong_scope"
    assert refusal(sealed(NEW), believed=limited("cleaning")) == "wrong_scope"
    assert accept(sealed(NEW), limited("cleaning", "renter"))


def test_a_key_that_is_not_for_renters_makes_no_passes():
    keys = (formats.PassKey("room", b64(bytes(32))),)
    passes = msgspec.structs.replace(NEW, grants=(), shrink=True, pass_keys=keys)
    assert refusal(sealed(passes), believed=limited("cleaning")) == "wrong_scope"
    assert accept(sealed(passes), limited("cleaning", "renter"))


def test_a_list_beyond_its_keys_kinds_dies_with_the_trust_step_and_at_the_next_start():
    floors = floors_of(OLD)
    assert accept_installed(sealed(OLD), "hall-1", limited("renter"), floors)
    with pytest.raises(Refused, match="wrong_scope"):
        accept_installed(sealed(OLD), "hall-1", limited("cleaning"), floors)


def test_a_key_past_its_date_signs_nothing_new_but_its_list_lives():
    past = trust(trust_key(KEY, expires=NOON))
    assert refusal(sealed(NEW), believed=past) == "unknown_key"
    assert accept_installed(sealed(OLD), "hall-1", past, floors_of(OLD))
