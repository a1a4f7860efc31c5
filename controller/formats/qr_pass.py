"""The QR pass: 35 bytes as `ZS1:` + 56 Base32 characters, 60 characters of the QR alphanumeric set (version 3-M).

    offset  bytes  content
    0       1      0x10 | n, the number of tags (0..3)
    1       5      credential id, random
    6       3      start, minutes since 2024-01-01T00:00Z, big-endian
    9       2      length in minutes; 0 = never stands alone
    11      4      statement number, big-endian
    15      20     n = 0: random | n = 1: one tag of 16 | n = 2: two of 10 | n = 3: three of 6; the rest zero

A tag is `HMAC-SHA256(group key, "zs-pass-1\\0" || bytes 0..14)`, truncated. A list knows a pass by
`SHA-256("zs-qr" || the 35 bytes)`, first 16 bytes, and by nothing else; a pass with a higher statement number than the
list may stand alone on one of its tags.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence

import msgspec

from controller.formats.encoding import b64
from controller.formats.errors import Refused

PREFIX = "ZS1:"
TEXT_CHARS = 60
TOKEN_BYTES = 35
HEAD_BYTES = 15
CREDENTIAL_BYTES = 5
EPOCH_S = 1_704_067_200  # 2024-01-01T00:00:00Z
TAG_BYTES = {1: 16, 2: 10, 3: 6}
TAGS_AREA = TOKEN_BYTES - HEAD_BYTES
LAST_START_MINUTE = (1 << 24) - 1
LONGEST_MINUTES = (1 << 16) - 1
_TEXT = re.compile(rf"{PREFIX}[A-Z2-7]{{{TEXT_CHARS - len(PREFIX)}}}")
_DIGITS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789abcdefghijklmnopqrstuv")
# Limits of a pass that stands alone: a long-running permission is always in the list in time.
ALONE_MAX_MINUTES = 24 * 60
ALONE_MAX_AHEAD_S = 7 * 86_400


class QrPass(msgspec.Struct, frozen=True):
    """A pass as read. `token` is its 35 bytes; `start_s` and `until_s` are UTC seconds."""

    token: bytes

    @property
    def tag_count(self) -> int:
        return self.token[0] & 0x0F

    @property
    def credential(self) -> str:
        """The credential id, hex."""
        return self.token[1:6].hex()

    @property
    def start_s(self) -> int:
        return EPOCH_S + 60 * int.from_bytes(self.token[6:9])

    @property
    def until_s(self) -> int:
        return self.start_s + 60 * self.length_minutes

    @property
    def length_minutes(self) -> int:
        return int.from_bytes(self.token[9:11])

    @property
    def number(self) -> int:
        """The statement number."""
        return int.from_bytes(self.token[11:15])

    @property
    def list_hash(self) -> str:
        """The name a list knows this pass by, base64url of 16 bytes."""
        return b64(hashlib.sha256(b"zs-qr" + self.token).digest()[:16])

    @property
    def may_stand_alone(self) -> bool:
        """Whether its own words allow it to open without being in the list: it has tags, at most 24 h, and starts
        at most 7 days after its statement number (which is never lower than the Unix second of its issue)."""
        return (
            self.tag_count > 0
            and 0 < self.length_minutes <= ALONE_MAX_MINUTES
            and self.start_s <= self.number + ALONE_MAX_AHEAD_S
        )

    def tagged_by(self, group_keys: Iterable[bytes]) -> bool:
        """Whether any tag was made with any of the group keys. Looks at all of them, whichever matches."""
        if self.tag_count == 0:
            return False
        size = TAG_BYTES[self.tag_count]
        offsets = range(HEAD_BYTES, HEAD_BYTES + size * self.tag_count, size)
        tags = [self.token[offset : offset + size] for offset in offsets]
        found = False
        for key in group_keys:
            expected = _tag(key, self.token[:HEAD_BYTES], size)
            for tag in tags:
                found |= hmac.compare_digest(tag, expected)
        return found

    def text(self) -> str:
        """What the QR code shows."""
        return PREFIX + base64.b32encode(self.token).decode("ascii")


def make_pass(
    credential: bytes, start_s: int, length_minutes: int, number: int, group_keys: Sequence[bytes], filler: bytes
) -> QrPass:
    """A pass for at most three door groups. `credential` is 5 random bytes, `filler` 20 random bytes that fill the
    tag area when there are no tags. Raises ValueError for what does not fit the bytes."""
    count = len(group_keys)
    if len(credential) != CREDENTIAL_BYTES or len(filler) != TAGS_AREA or count > len(TAG_BYTES):
        raise ValueError("a pass takes 5 bytes of id, 20 of filler and at most 3 groups")
    start_minutes, rest = divmod(start_s - EPOCH_S, 60)
    if rest or not 0 <= start_minutes <= LAST_START_MINUTE:
        raise ValueError("a pass starts on a whole minute from 2024 until 2055")
    if not 0 <= length_minutes <= LONGEST_MINUTES or not 0 < number < 1 << 32:
        raise ValueError("length or statement number does not fit its bytes")
    head = b"".join(
        (
            bytes([0x10 | count]),
            credential,
            start_minutes.to_bytes(3),
            length_minutes.to_bytes(2),
            number.to_bytes(4),
        )
    )
    if count == 0:
        return QrPass(head + filler)
    tags = b"".join(_tag(key, head, TAG_BYTES[count]) for key in group_keys)
    return QrPass(head + tags.ljust(TAGS_AREA, b"\0"))


def is_ours(text: str) -> bool:
    """Whether a QR text claims to be a pass at all. Everything else is foreign: payments, links, other systems."""
    return text.startswith(PREFIX)


def parse(text: str) -> QrPass:
    """The pass in a text that starts with `ZS1:`. Raises Refused `malformed`."""
    if not _TEXT.fullmatch(text):
        raise Refused("malformed", "qr", f"a pass has {TEXT_CHARS} characters, Base32 in upper case without padding")
    # Base32 in another alphabet is a number to the base of 32. That is read in a tenth of the time of Python's Base32,
    # and somebody waits at the door.
    token = int(text[len(PREFIX) :].translate(_DIGITS), 32).to_bytes(TOKEN_BYTES)
    count = token[0] & 0x0F
    if token[0] >> 4 != 1 or count > len(TAG_BYTES):
        raise Refused("malformed", "qr", "not a version 1 pass")
    if count and any(token[HEAD_BYTES + count * TAG_BYTES[count] :]):
        raise Refused("malformed", "qr", "bytes after the last tag are not zero")
    return QrPass(token)


def _tag(key: bytes, head: bytes, size: int) -> bytes:
    return hmac.digest(key, b"zs-pass-1\0" + head, "sha256")[:size]
