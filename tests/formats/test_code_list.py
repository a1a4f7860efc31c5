"""The code list: what a door takes for one, and what it may not contain."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.formats import code_list
from controller.formats.encoding import canonical
from controller.formats.errors import Refused
from controller.formats.limits import LIMITS
from tests.vectors.list_cases import full_list

FULL = full_list()
PAYLOAD = code_list.dump(FULL)


def test_round_trip():
    assert code_list.parse(PAYLOAD) == FULL
    assert code_list.dump(code_list.parse(PAYLOAD)) == PAYLOAD


def test_the_policy_defaults_are_the_documented_ones():
    assert msgspec.to_builtins(code_list.Policy()) == {
        "pin_digits": 6, "pin_tries": 10, "pin_refill_s": 1_800, "release_s": 5, "no_entry_s": 10, "held_open_s": 120,
        "early_hint_s": 7_200, "log_failure": "grant", "languages": ("nl",), "help": "", "passes": True,
        "staff_qr": False,
    }  # fmt: skip


def test_a_flip_of_any_byte_is_refused_or_another_valid_list():
    """An unsigned list of the right shape is still a list; but nothing else than a refusal may come out."""
    for position in range(len(PAYLOAD)):
        for flip in (0x01, 0x80):
            changed = bytearray(PAYLOAD)
            changed[position] ^= flip
            try:
                parsed = code_list.parse(bytes(changed))
            except Refused:
                continue
            code_list.check(parsed)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for step, child in children for place in places(child, (*path, step)))]


PLACES = [place for place in places(json.loads(PAYLOAD)) if place]


@given(
    place=st.sampled_from(PLACES),
    value=st.sampled_from(
        [None, True, -1, 1 << 53, 10**40, 1.5, "", "\x00", "a\n", "é" * 600, [], {}, [[]], {"a": {}}]
    ),
)
def test_any_value_in_any_place_is_refused_or_valid(place: tuple[Any, ...], value: Any):
    document: Any = json.loads(PAYLOAD)
    target = document
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    try:
        parsed = code_list.parse(json.dumps(document).encode())
    except Refused:
        return
    code_list.check(parsed)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=5))
def test_windows_are_sorted_and_disjoint_or_refused(windows: list[tuple[int, int]]):
    grant = msgspec.structs.replace(FULL.grants[0], windows=tuple(windows))
    candidate = msgspec.structs.replace(FULL, grants=(grant,))
    instants = [sum(start <= now < end for start, end in windows) for now in range(41)]
    fine = all(start < end for start, end in windows) and windows == sorted(windows) and max(instants) <= 1
    if fine:
        assert code_list.parse(code_list.dump(candidate)) == candidate
    else:
        with pytest.raises(Refused, match="bad_list"):
            code_list.parse(code_list.dump(candidate))


def test_the_place_of_a_bad_window_is_named():
    grant = msgspec.structs.replace(FULL.grants[0], windows=((0, 1), (5, 6), (3, 4)))
    with pytest.raises(Refused, match=r"grants\[0\]\.windows\[2\]: windows are sorted"):
        code_list.check(msgspec.structs.replace(FULL, grants=(grant,)))


def test_the_same_pass_in_two_grants_is_refused():
    twin = msgspec.structs.replace(FULL.grants[0], id="twin", pins=())
    with pytest.raises(Refused, match=r"grants\[1\]\.qrs: a QR hash occurs twice"):
        code_list.check(msgspec.structs.replace(FULL, grants=(FULL.grants[0], twin)))


def test_a_credential_id_is_unique_within_its_grant():
    grant = FULL.grants[0]
    pins = (*grant.pins, code_list.PinEntry(grant.pins[0].credential, "A" * 43, False))
    with pytest.raises(Refused, match="a credential id occurs twice"):
        code_list.check(msgspec.structs.replace(FULL, grants=(msgspec.structs.replace(grant, pins=pins),)))


def test_size_and_number_of_grants_have_limits():
    with pytest.raises(Refused, match="too_large"):
        code_list.parse(b" " * (LIMITS.list_payload_bytes + 1))
    document = json.loads(PAYLOAD)
    document["grants"] = [{**document["grants"][1], "pins": [], "id": str(index)} for index in range(5_001)]
    with pytest.raises(Refused, match=r"list\.grants.*bad_schema"):
        code_list.parse(canonical(document))
    document["grants"].pop()
    assert len(code_list.parse(canonical(document)).grants) == LIMITS.list_grants
