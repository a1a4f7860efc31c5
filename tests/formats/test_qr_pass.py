"""The QR pass: its bytes, its tags, its one spelling."""

import base64
import contextlib
import hashlib
import hmac
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.formats import qr_pass
from controller.formats.errors import Refused

ALPHANUMERIC = set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")
START = qr_pass.EPOCH_S + 60 * 1_331_040
KEYS = [bytes([letter]) * 32 for letter in b"abcd"]

made_passes = st.builds(
    qr_pass.make_pass,
    credential=st.binary(min_size=5, max_size=5),
    start_s=st.integers(0, qr_pass.LAST_START_MINUTE).map(lambda minute: qr_pass.EPOCH_S + 60 * minute),
    length_minutes=st.integers(0, qr_pass.LONGEST_MINUTES),
    number=st.integers(1, 2**32 - 1),
    group_keys=st.lists(st.sampled_from(KEYS), max_size=3, unique=True),
    filler=st.binary(min_size=20, max_size=20),
)


def one(length: int = 60, number: int = START, keys: list[bytes] | None = None, start: int = START) -> qr_pass.QrPass:
    return qr_pass.make_pass(b"\1\2\3\4\5", start, length, number, KEYS[:1] if keys is None else keys, bytes(20))


@given(made_passes)
def test_round_trip(qr: qr_pass.QrPass):
    text = qr.text()
    assert len(text) == qr_pass.TEXT_CHARS
    assert set(text) <= ALPHANUMERIC
    assert qr_pass.parse(text) == qr


def test_bytes_by_hand():
    qr = one(length=0x0102, number=0x0A0B0C0D)
    head = bytes.fromhex("11 0102030405 144f60 0102 0a0b0c0d")
    tag = hmac.new(KEYS[0], b"zs-pass-1\0" + head, hashlib.sha256).digest()[:16]
    assert qr.token == head + tag + bytes(4)
    assert qr.list_hash == base64.urlsafe_b64encode(hashlib.sha256(b"zs-qr" + qr.token).digest()[:16]).decode().rstrip(
        "="
    )
    assert (qr.start_s, qr.until_s, qr.number) == (START, START + 60 * 0x0102, 0x0A0B0C0D)


@pytest.mark.parametrize(("count", "size"), [(1, 16), (2, 10), (3, 6)])
def test_every_group_recognises_its_tag_and_no_other(count: int, size: int):
    qr = one(keys=KEYS[:count])
    assert [qr.tagged_by([key]) for key in KEYS] == [True] * count + [False] * (4 - count)
    assert qr.tagged_by(KEYS)
    assert not qr.tagged_by([])
    assert not any(qr.token[15 + count * size :])


def test_without_groups_only_the_list_knows_it():
    filler = secrets.token_bytes(20)
    qr = qr_pass.make_pass(b"\1\2\3\4\5", START, 60, START, [], filler)
    assert qr.token[15:] == filler
    assert not qr.tagged_by(KEYS)
    assert not qr.may_stand_alone


def test_a_flip_of_any_bit_breaks_tag_and_list_hash():
    qr = one(keys=KEYS[:2])
    for bit in range(8 * qr_pass.TOKEN_BYTES):
        token = bytearray(qr.token)
        token[bit // 8] ^= 0x80 >> bit % 8
        try:
            changed = qr_pass.parse(qr_pass.PREFIX + base64.b32encode(bytes(token)).decode())
        except Refused:
            continue
        assert changed.list_hash != qr.list_hash
        within_a_tag = bit // 8 >= 15
        assert within_a_tag or not changed.tagged_by(KEYS)


@pytest.mark.parametrize(
    ("length", "start", "alone"),
    [
        (0, START, False),
        (1, START, True),
        (24 * 60, START, True),
        (24 * 60 + 1, START, False),
        (60, START + 7 * 86_400, True),
        (60, START + 7 * 86_400 + 60, False),
    ],
)
def test_limits_of_standing_alone(length: int, start: int, alone: bool):
    assert one(length=length, start=start).may_stand_alone is alone


@given(st.text(max_size=70) | st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567=", min_size=56, max_size=56))
def test_any_text_is_refused_or_the_one_spelling_of_a_pass(rest: str):
    text = qr_pass.PREFIX + rest
    with contextlib.suppress(Refused):
        assert qr_pass.parse(text).text() == text


def test_the_first_and_the_last_of_what_fits():
    last_minute = qr_pass.EPOCH_S + 60 * ((1 << 24) - 1)
    for start, length, number in [(qr_pass.EPOCH_S, 0, 1), (last_minute, (1 << 16) - 1, (1 << 32) - 1)]:
        read = qr_pass.parse(one(length, number, start=start).text())
        assert (read.start_s, read.length_minutes, read.number) == (start, length, number)


def test_other_systems_codes_are_not_ours():
    assert not any(map(qr_pass.is_ours, ["", "zs1:A", "ZS2:A", "ZSE1:AAAA", "https://example.org", " ZS1:"]))


@pytest.mark.parametrize(
    "changes",
    [
        {"start_s": START + 1},
        {"start_s": qr_pass.EPOCH_S - 60},
        {"start_s": qr_pass.EPOCH_S + (60 << 24)},
        {"length_minutes": 1 << 16},
        {"length_minutes": -1},
        {"number": 1 << 32},
        {"number": 0},
        {"group_keys": KEYS},
        {"credential": b"1234"},
        {"filler": b""},
    ],
)
def test_what_does_not_fit_is_a_value_error(changes: dict[str, object]):
    arguments = {"credential": b"12345", "start_s": START, "length_minutes": 60, "number": 1, "group_keys": KEYS[:1]}
    with pytest.raises(ValueError, match=r"pass|length"):
        qr_pass.make_pass(**{**arguments, "filler": bytes(20), **changes})  # type: ignore[arg-type]
