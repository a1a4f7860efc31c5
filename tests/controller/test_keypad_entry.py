"""The keypad's grammar, symbol by symbol."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.keypad_entry import MAX_DIGITS, Entry, KeypadEntry


def type_in(symbols: str, pin_digits: int | None = 6, gap_ms: int = 100) -> list[Entry]:
    keypad, now_ms, entries = KeypadEntry(), 0, []
    for symbol in symbols:
        now_ms += gap_ms
        idle = keypad.idle(now_ms, pin_digits)
        entries += [entry for entry in (idle, keypad.press(symbol, now_ms, pin_digits)) if entry]
    return entries


@pytest.mark.parametrize(
    ("symbols", "expected"),
    [
        ("123456", [Entry("123456")]),
        ("123456#", [Entry("123456")]),
        ("123456#123456#", [Entry("123456"), Entry("123456")]),
        ("123#", [Entry("123")]),
        ("12*345678", [Entry("345678")]),
        ("#0123456", [Entry("123456", "0")]),
        ("#0123456#", [Entry("123456", "0")]),
        ("#1123456", [Entry("123456", "1")]),
        ("#012#", [Entry("12", "0")]),
        ("#0#", [Entry("", "0")]),
        ("##0123456", [Entry("123456", "0")]),
        ("#*123456", [Entry("123456")]),
        ("#0*123456", [Entry("123456")]),
        # Only the first `#` belongs to the entry that completed by length.
        ("123456##0123456", [Entry("123456"), Entry("123456", "0")]),
        # After any other key it belongs to the next one.
        ("123456*#0123456", [Entry("123456"), Entry("123456", "0")]),
        ("1234567##0123456", [Entry("123456"), Entry("7"), Entry("123456", "0")]),
        # The next language takes no code, also twice in a row and with digits standing.
        ("#9123456", [Entry("", "9"), Entry("123456")]),
        ("#9#9123456#", [Entry("", "9"), Entry("", "9"), Entry("123456")]),
        ("12*#9123456", [Entry("", "9"), Entry("123456")]),
    ],
)
def test_grammar(symbols: str, expected: list[Entry]):
    assert type_in(symbols) == expected


@pytest.mark.parametrize("digit", "345678")
def test_a_function_nobody_knows_is_no_plain_code(digit: str):
    (entry,) = type_in(f"#{digit}123456")
    assert not entry.in_grammar
    assert Entry("123456").in_grammar
    assert Entry("123456", "0").in_grammar


def test_nine_seconds_between_keys_are_fine_and_ten_are_not():
    assert type_in("123456", gap_ms=9_000) == [Entry("123456")]
    assert type_in("123456", gap_ms=9_999) == [Entry("123456")]
    assert type_in("123456", gap_ms=10_000) == []


@pytest.mark.parametrize(("gap_ms", "expected"), [(3_000, Entry("012345")), (3_001, Entry("123456", "0"))])
def test_an_enter_within_three_seconds_belongs_to_the_entry(gap_ms: int, expected: Entry):
    keypad = KeypadEntry()
    for symbol in "999999":
        keypad.press(symbol, 1_000, 6)
    keypad.press("#", 1_000 + gap_ms, 6)
    entries = [keypad.press(symbol, 5_000, 6) for symbol in "0123456"]
    assert next(entry for entry in entries if entry) == expected


@pytest.mark.parametrize("digits", [6, 7, 8])
def test_without_a_list_an_enter_or_the_idle_time_ends_a_code(digits: int):
    code = "12345678"[:digits]
    assert type_in(code + "#", pin_digits=None) == [Entry(code)]
    keypad = KeypadEntry()
    for symbol in code:
        assert keypad.press(symbol, 0, None) is None
    assert keypad.idle(9_999, None) is None
    assert keypad.idle(10_000, None) == Entry(code)
    assert keypad.typed == 0


@pytest.mark.parametrize("code", ["12345", "123456789", "#0123456"])
def test_without_a_list_other_lengths_and_functions_just_fade(code: str):
    keypad = KeypadEntry()
    for symbol in code:
        keypad.press(symbol, 0, None)
    assert keypad.idle(10_000, None) is None
    assert (keypad.typed, keypad.deadline_ms) == (0, None)


def test_too_many_digits_are_seen_to_be_too_many():
    (entry,) = type_in("1" * 50 + "#", pin_digits=None)
    assert len(entry.digits) == MAX_DIGITS


def test_a_code_is_never_part_of_a_printout():
    assert "123456" not in repr(Entry("123456"))


@given(st.text("0123456789#*", max_size=60), st.sampled_from([None, 6, 7, 8]), st.integers(1, 12_000))
def test_whatever_is_typed_stays_within_bounds(symbols: str, pin_digits: int | None, gap_ms: int):
    for entry in type_in(symbols, pin_digits, gap_ms):
        assert len(entry.digits) <= MAX_DIGITS
        assert entry.digits.isdigit() or entry.digits == ""
        if pin_digits is not None:
            assert len(entry.digits) <= pin_digits
