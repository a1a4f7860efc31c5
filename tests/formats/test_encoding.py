"""One accepted spelling: strict JSON and base64url, canonical bytes."""

import contextlib
import json
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.formats import encoding
from controller.formats.errors import Refused


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(pattern=encoding.whole("[a-z]{1,9}"))]
    count: Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)] = 0
    rest: msgspec.Raw = msgspec.Raw(b"")


# Members of an event: ASCII names and texts, whole numbers, booleans, null. Other values never reach a hash.
event_values = st.dictionaries(
    st.from_regex(r"\A[a-z0-9_]{1,40}\Z"),
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(min_codepoint=32, max_codepoint=126)),
)


@given(event_values | st.fixed_dictionaries({"detail": event_values, "list": st.lists(event_values, max_size=3)}))
def test_canonical_is_rfc_8785_where_events_live(value: Any):
    # For ASCII names and whole numbers RFC 8785 asks for exactly this.
    assert (
        encoding.canonical(value)
        == json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )


def test_canonical_example_of_rfc_8785_without_its_floats():
    value = {"literals": [None, True, False], "string": '\u20ac$\u000f\nA\'B"\\\\"/'}
    assert encoding.canonical(value).decode() == (
        '{"literals":[null,true,false],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


@given(st.binary(max_size=200))
def test_base64url_round_trip(data: bytes):
    assert encoding.unb64(encoding.b64(data), "here") == data


@given(st.text(max_size=40))
def test_base64url_has_one_spelling(text: str):
    with contextlib.suppress(Refused):
        assert encoding.b64(encoding.unb64(text, "here")) == text


@pytest.mark.parametrize("text", ["QQ==", "QR", "Q", "+/+/", "QQ\n", " QQ", "QQ é", "Q\x00Q", "\ud800"])
def test_other_spellings_of_base64_are_refused(text: str):
    with pytest.raises(Refused, match="bad_base64"):
        encoding.unb64(text, "here")


BAD = {
    "nothing": b"",
    "not UTF-8": b'{"name":"\xff"}',
    "surrogate as UTF-8": b'{"name":"\xed\xa0\x80"}',
    "half of a surrogate pair": b'{"name":"\\ud800"}',
    "half a pair as a name": b'{"\\ud800":1}',
    "NUL in a text": b'{"name":"\x00"}',
    "NUL escaped": b'{"name":"\\u0000"}',
    "NUL after the end": b'{"name":"a"}\x00',
    "byte order mark": b'\xef\xbb\xbf{"name":"a"}',
    "NaN": b'{"name":"a","count":NaN}',
    "infinity": b'{"name":"a","count":1e999}',
    "huge number": b'{"name":"a","count":' + b"9" * 30 + b"}",
    "number no parser takes": b'{"name":"a","count":' + b"9" * 10_000 + b"}",
    "such a number in an unread place": b'{"name":"a","rest":' + b"9" * 10_000 + b"}",
    "fraction": b'{"name":"a","count":1.0}',
    "boolean for a number": b'{"name":"a","count":true}',
    "deep nesting": b'{"name":"a","rest":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep nesting, open": b"[" * 100_000,
    "duplicate": b'{"name":"a","name":"b"}',
    "duplicate by escape": b'{"name":"a","n\\u0061me":"b"}',
    "duplicate deep down": b'{"name":"a","rest":[{"x":{"y":1,"y":1}}]}',
    "unknown member": b'{"name":"a","more":1}',
    "line feed at the end": b'{"name":"a\\n"}',
    "an array": b"[]",
    "trailing comma": b'{"name":"a",}',
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_decode_refuses_and_raises_nothing_else(data: bytes):
    with pytest.raises(Refused) as caught:
        encoding.decode(data, Sample, "here")
    assert caught.value.code in {"not_json", "duplicate_member", "bad_schema"}
    assert caught.value.where.startswith("here")


@pytest.mark.parametrize("name", ["duplicate", "duplicate by escape", "duplicate deep down"])
def test_duplicates_are_called_that(name: str):
    for read in (lambda: encoding.decode(BAD[name], Sample, "x"), lambda: encoding.parse_object(BAD[name], "x")):
        with pytest.raises(Refused, match="duplicate_member"):
            read()


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_read_or_refused(data: bytes):
    for read in (lambda: encoding.parse_object(data, "x"), lambda: encoding.decode(data, Sample, "x")):
        with contextlib.suppress(Refused):
            read()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_parse_object_agrees_with_the_standard_library(value: Any):
    data = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if isinstance(value, dict):
        assert encoding.parse_object(data, "x") == value
    else:
        with pytest.raises(Refused, match="not_json"):
            encoding.parse_object(data, "x")


def test_a_refusal_names_the_place():
    with pytest.raises(Refused) as caught:
        encoding.decode(b'{"name":"a","count":-1}', Sample, "input")
    assert (caught.value.code, caught.value.where) == ("bad_schema", "input.count")


def test_a_refusal_quotes_little_of_the_input():
    with pytest.raises(Refused) as caught:
        encoding.decode(b'{"name":"a","\\u001b[2J' + b"x" * 100_000 + b'":1}', Sample, "input")
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


def test_convert_refuses_like_decode():
    assert encoding.convert({"name": "a"}, Sample, "x") == Sample("a")
    with pytest.raises(Refused, match=r"x\.name.*bad_schema"):
        encoding.convert({"name": 1}, Sample, "x")
