"""A short number for one record, to be read out over the telephone: `123-456-789`.

    incident_number("hall-1", log, 17)      # what the display shows with a refusal, what `audit why` looks up

It is derived from the record's place (door, log, number) and from nothing else, so it says nothing about the code that
was tried or about whose it was, and anybody who holds the record can work it out again. Nine digits are not unique for
ever: among a million records one in a thousand look-ups finds two, and then both are shown.
"""

from __future__ import annotations

import hashlib
import re

DOMAIN = b"zs-incident-1\0"
DIGITS = 9
GROUP = 3
_WRITTEN = re.compile(r"[0-9]{9}")


def incident_number(door: str, log: str, seq: int) -> str:
    """The number of record `seq` of `log` at `door`."""
    place = "\0".join((door, log, str(seq))).encode("ascii")
    number = int.from_bytes(hashlib.sha256(DOMAIN + place).digest()) % 10**DIGITS
    text = f"{number:0{DIGITS}}"
    return "-".join(text[at : at + GROUP] for at in range(0, DIGITS, GROUP))


def as_written(text: str) -> str | None:
    """An incident number as somebody wrote it down, with or without dashes and spaces; None when it is none."""
    digits = re.sub(r"[\s-]", "", text)
    if not _WRITTEN.fullmatch(digits):
        return None
    return "-".join(digits[at : at + GROUP] for at in range(0, DIGITS, GROUP))
