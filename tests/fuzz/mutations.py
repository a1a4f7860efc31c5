"""How bytes and JSON documents are bent."""

from __future__ import annotations

import json
from random import Random
from typing import Any

ODD: tuple[object, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1 << 53,
    1e400,
    1.5,
    "",
    "\u0000",
    "ä" * 50,
    "ZS1:",
    [],
    {},
    [[]],
    "9" * 400,
)


def bent_bytes(data: bytes, random: Random) -> bytes:
    """One to four random edits: a flipped bit, a byte in or out, a piece twice or gone, an end too early."""
    bent = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(bent) + 1)
        match random.randrange(6):
            case 0 if at < len(bent):
                bent[at] ^= 1 << random.randrange(8)
            case 1:
                bent.insert(at, random.randrange(256))
            case 2:
                del bent[at : at + random.randint(1, 40)]
            case 3:
                bent[at:at] = bent[at : at + random.randint(1, 200)]
            case 4:
                del bent[at:]
            case _:
                bent[at:at] = random.randbytes(random.randint(1, 30))
    return bytes(bent)


def bent_document(document: Any, random: Random) -> Any:
    """One value somewhere in it is another, missing, or has company."""
    bent = json.loads(json.dumps(document))
    places = list(_places(bent))
    holder, name = random.choice(places)
    match random.randrange(4):
        case 0 if isinstance(holder, dict):
            del holder[name]
        case 1 if isinstance(holder, dict):
            holder[random.choice(("extra", name + "x", ""))] = random.choice(ODD)
        case 2:
            other, where = random.choice(places)
            holder[name] = json.loads(json.dumps(other[where]))
        case _:
            holder[name] = random.choice(ODD)
    return bent


def _places(value: Any) -> Any:
    """Every (container, name) in a document."""
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, name
        if isinstance(inner, dict | list):
            yield from _places(inner)
