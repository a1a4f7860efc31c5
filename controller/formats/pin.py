"""From a PIN to its verifier: `verifier = argon2id(pin, door salt)`, base64url of 32 bytes.

One derivation per try, whatever the number of codes in the list. A verifier of one door is useless at another,
because each has its own salt. What this does not give: a stolen list *and* its salt still fall to some core-hours of
guessing six digits; that is why horizons are short and a door's PINs can be re-keyed.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from controller.formats.code_list import PinKdf
from controller.formats.encoding import b64, unb64

VERIFIER_BYTES = 32
DIGITS = frozenset("0123456789")


def derive(pin: str, kdf: PinKdf) -> str:
    """The verifier of a PIN (ASCII digits) under a door's parameters. Takes tens of milliseconds and releases the
    interpreter lock while it runs."""
    derivation = Argon2id(
        salt=unb64(kdf.salt, "pin_kdf.salt"),
        length=VERIFIER_BYTES,
        iterations=kdf.iterations,
        lanes=kdf.lanes,
        memory_cost=kdf.memory_kib,
    )
    return b64(derivation.derive(pin.encode("ascii")))


def is_pin(text: str, digits: int) -> bool:
    """Whether `text` is exactly `digits` ASCII digits."""
    return len(text) == digits and DIGITS.issuperset(text)
