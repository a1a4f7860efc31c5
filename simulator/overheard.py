"""Whether what passed the broker says who may enter, with what, or who moved where. Pure.

Every layer that can be taken off without a key is taken off: JSON, base64 and base64url, hex, the parts of a JWS or
JWE, zlib, one inside the other. In everything that comes out, secrets are looked for as text and as bytes, and the
words and members that only a list, a log or a command has.

    for leak in leaks(tap.read(file), hub_secrets.read(hub_folder)):
        print(leak)                     # "zs/1/hall-1/list: a PIN, in /json/base64/json"
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from controller.formats.qr_pass import PREFIX
from simulator.tap import Overheard

DEPTH: Final = 10
INFLATED_BYTES: Final = 8 << 20
MOVEMENTS: Final = frozenset({"granted", "refused", "in", "out", "opened", "closed", "forced", "held_open", "no_entry"})
"""The kinds of event that tell what happened at a door."""
CONFIDENTIAL: Final = frozenset(
    {"grant", "grants", "who", "opening", "records", "credential", "pins", "qrs", "pass_keys", "pin_kdf", "verb", "by"}
)
"""Members that only lists, logs and commands have, and those travel encrypted."""
STATED: Final = "faults"
"""A door's report of itself says which faults it has; `forced` and `held_open` are among them, and are meant to be."""


@dataclass(frozen=True)
class Secret:
    """Something nobody may overhear: what it is, and what its traces look like in bytes."""

    what: str
    trace: re.Pattern[bytes]


def secret(what: str, *spellings: str | bytes) -> Secret:
    """A secret by its spellings. Digits count only where no further digit stands beside them: a PIN is not leaked by a
    date that happens to hold it."""
    raw = [each.encode() if isinstance(each, str) else each for each in spellings]
    parts = [rb"(?<!\d)" + each + rb"(?!\d)" if each.isdigit() else re.escape(each) for each in raw]
    return Secret(what, re.compile(b"|".join(parts)))


def code_secrets(clear: str) -> list[Secret]:
    """A PIN or the text of a QR."""
    if not clear.startswith(PREFIX):
        return [secret("a PIN", clear)]
    text = clear.removeprefix(PREFIX)
    token = base64.b32decode(text)
    return [secret("a QR", text, token, token.hex())]


def leaks(messages: Iterable[Overheard], secrets: Iterable[Secret]) -> Iterator[str]:
    """Every place in `messages` where a secret or a movement can be read."""
    secrets = list(secrets)
    for message in dict.fromkeys(messages):
        for way, layer in layers(message.topic.encode(), message.payload):
            for each in secrets:
                if each.trace.search(layer):
                    yield f"{message.topic}: {each.what}, in {way or 'clear'}"
            for said in _confided(layer):
                yield f"{message.topic}: {said}, in {way or 'clear'}"


def layers(*found: bytes) -> Iterator[tuple[str, bytes]]:
    """`found` and everything that can be taken out of it, each with the way to it."""
    waiting = [("", data) for data in found]
    while waiting:
        way, data = waiting.pop()
        yield way, data
        if way.count("/") >= DEPTH:
            continue
        for name, take_off in WRAPPINGS.items():
            waiting += [(f"{way}/{name}", inside) for inside in take_off(data) if inside and inside != data]


def _texts(data: bytes) -> list[bytes]:
    """All texts in a JSON document, names of members too."""
    found: list[bytes] = []

    def walk(value: Any) -> None:
        if isinstance(value, str):
            found.append(value.encode("utf-8", "surrogatepass"))
        elif isinstance(value, dict):
            for name, each in value.items():
                walk(name)
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(_json(data))
    return found


def _json(data: bytes) -> Any:
    if data[:1] not in {b"{", b"[", b'"'}:
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _parts(data: bytes) -> list[bytes]:
    """The parts of a compact JWS or JWE."""
    return data.split(b".") if re.fullmatch(rb"[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*){2,4}", data) else []


def _base64(data: bytes) -> list[bytes]:
    if not re.fullmatch(rb"[A-Za-z0-9+/_-]{4,}={0,2}", data):
        return []
    text = data.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return [base64.b64decode(text + b"=" * (-len(text) % 4))]
    except binascii.Error:
        return []


def _hex(data: bytes) -> list[bytes]:
    return [bytes.fromhex(data.decode())] if re.fullmatch(rb"([0-9a-fA-F]{2}){4,}", data) else []


def _inflated(data: bytes) -> list[bytes]:
    try:
        return [zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(data, INFLATED_BYTES)]
    except zlib.error:
        return []


WRAPPINGS: Final[dict[str, Callable[[bytes], list[bytes]]]] = {
    "json": _texts,
    "parts": _parts,
    "base64": _base64,
    "hex": _hex,
    "zlib": _inflated,
}


def _confided(layer: bytes) -> Iterator[str]:
    """What a layer says by its structure: a movement, or a member that has no business in clear."""

    def walk(value: Any, member: str) -> Iterator[str]:
        if isinstance(value, dict):
            for name, each in value.items():
                if name in CONFIDENTIAL:
                    yield f"member `{name}`"
                yield from walk(each, name)
        elif isinstance(value, list):
            for each in value:
                yield from walk(each, member)
        elif isinstance(value, str) and value in MOVEMENTS and member != STATED:
            yield f"movement `{value}`"

    yield from walk(_json(layer), "")
