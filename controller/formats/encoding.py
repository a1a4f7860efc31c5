"""JSON and base64url with exactly one accepted spelling.

Two parsers that read the same bytes differently are how signed documents are forged, so every reader here is
strict: UTF-8 only, no duplicate member names, no half of a surrogate pair, no NaN, base64url unpadded with its unused
bits zero (RFC 4648 section 3.5), and `canonical` gives the one byte string of a value (the subset of RFC 8785 with
whole numbers and ASCII member names only: members sorted, no white space, UTF-8 unescaped).
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from controller.formats.errors import Refused

T = TypeVar("T")

_encoder = msgspec.json.Encoder(order="sorted")

# base64url is base64 in two other letters and without padding; these are for `bytes.translate`. What base64 has and
# base64url has not becomes a letter that neither has.
_TO_URL, _FROM_URL = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_+/=", b"+/!!!")
_PADDING = (b"", b"===", b"==", b"=")  # by the length of what is padded, modulo 4

# An error may quote a word of the input (an unknown member's name); this much of it, and only printable.
QUOTED_CHARS = 120


def whole(pattern: str) -> str:
    """A regular expression that matches nothing but the whole text. In Python `$` alone also matches before a line feed
    at the end, so `"hall-1\\n"` would pass for a door id; this spelling means the same in every dialect."""
    return rf"^{pattern}$(?!\n)"


def canonical(value: object) -> bytes:
    """The one JSON spelling of `value` (structs, dicts, lists, str, int, bool, None)."""
    return _encoder.encode(value)


def b64(data: bytes) -> str:
    """base64url without padding."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URL).decode("ascii")


def unb64(text: str, where: str) -> bytes:
    """The bytes of canonical base64url. Raises Refused `bad_base64` for padding, foreign characters, or
    unused bits that are not zero."""
    try:
        spelled = text.encode("ascii").translate(_FROM_URL) + _PADDING[len(text) % 4]
        data = binascii.a2b_base64(spelled)
    except (ValueError, binascii.Error):
        raise Refused("bad_base64", where, "not base64url") from None
    if binascii.b2a_base64(data, newline=False) != spelled:
        raise Refused("bad_base64", where, "not the canonical base64url of its bytes")
    return data


def parse_object(data: bytes, where: str) -> dict[str, Any]:
    """A small JSON object of any shape (a header, a key file). Raises Refused `not_json` or `duplicate_member`."""
    value = _loads(data, where, _MEMBERS)
    if not isinstance(value, dict):
        raise Refused("not_json", where, "not a JSON object")
    try:
        canonical(value)
    except UnicodeEncodeError:
        raise Refused("not_json", where, "half of a surrogate pair") from None
    return value


def read_once(data: bytes, where: str) -> None:
    """Whether everybody reads this JSON alike: UTF-8, no name twice, no NaN. Raises Refused `not_json` or
    `duplicate_member`."""
    _loads(data, where, _NAMES_ONLY)


def decode(data: bytes, kind: type[T], where: str) -> T:
    """`data` as the struct `kind`: duplicate names, unknown and missing members and values out of range are
    refused (`not_json`, `bad_schema`, `duplicate_member`; `where` then names the member)."""
    value, _ = _decoded(data, kind, where)
    return value


def decode_canonical(data: bytes, kind: type[T], where: str) -> T:
    """The same for bytes that must be the canonical ones of their value. Raises also Refused `not_canonical`."""
    value, is_canonical = _decoded(data, kind, where)
    if not is_canonical:
        raise Refused("not_canonical", where, "not the canonical bytes of this value")
    return value


def _decoded(data: bytes, kind: type[T], where: str) -> tuple[T, bool]:
    """The value, and whether its bytes are the canonical ones."""
    try:
        value = msgspec.json.decode(data, type=kind, strict=True)
    except msgspec.ValidationError as error:
        text, place = split_place(str(error))
        raise Refused("bad_schema", f"{where}{place}", text) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("not_json", where, "not JSON in UTF-8") from None
    # msgspec takes the last of two members with one name. What is spelled as we spell it has no such two; in anything
    # else a second pass that keeps nothing finds them. It comes second, because by now the shape is known: megabytes of
    # `[],[],…` would cost the plain parser a hundred times their size.
    is_canonical = canonical(value) == data
    if not is_canonical:
        _loads(data, where, _NAMES_ONLY)
    return value, is_canonical


def convert(value: object, kind: type[T], where: str) -> T:
    """A parsed value as the struct `kind`; refuses like `decode`."""
    try:
        return msgspec.convert(value, type=kind, strict=True)
    except msgspec.ValidationError as error:
        text, place = split_place(str(error))
        raise Refused("bad_schema", f"{where}{place}", text) from None


def split_place(message: str) -> tuple[str, str]:
    """msgspec's 'text - at `$.a[3].b`' as (text, '.a[3].b'), the text fit for a log line."""
    text, _, place = message.rpartition(" - at `$") if " - at `$" in message else (message, "", "")
    printable = "".join(letter if letter.isprintable() else "?" for letter in text[: QUOTED_CHARS + 1])
    return printable if len(text) <= QUOTED_CHARS else printable[:-1] + "…", place.rstrip("`")


def _loads(data: bytes, where: str, decoder: json.JSONDecoder) -> Any:
    try:
        return decoder.decode(data.decode("utf-8"))
    except _DuplicateMember as error:
        raise Refused("duplicate_member", where, "a member name occurs twice") from error
    except (ValueError, RecursionError):
        raise Refused("not_json", where, "not JSON in UTF-8") from None


class _DuplicateMember(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _DuplicateMember
    return members


def _unique_names_only(pairs: list[tuple[str, Any]]) -> None:
    # Returning nothing lets each object go as soon as it is read: checking 2 MiB costs no 20 MiB.
    if len({name for name, _ in pairs}) != len(pairs):
        raise _DuplicateMember


def _no_constant(name: str) -> None:
    raise ValueError(name)


_MEMBERS = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
_NAMES_ONLY = json.JSONDecoder(object_pairs_hook=_unique_names_only, parse_constant=_no_constant)
