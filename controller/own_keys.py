"""The door's own keys: made on the unit, never leaving it. One signs statements about the log and state reports, the
other opens what is encrypted to this door.
"""

from __future__ import annotations

from pathlib import Path

from controller.disk import replace_file
from controller.formats import jwe
from controller.formats.encoding import canonical, parse_object
from controller.formats.jwk import SigningKey, load_private, make_key

EVENT_KEY = "event.jwk"
DECRYPT_KEY = "decrypt.jwk"


def event_key(data: Path) -> SigningKey:
    """The event-signing key in the data folder, made when there is none. Raises OSError or Refused."""
    path = data / EVENT_KEY
    if not path.exists():
        replace_file(path, canonical(make_key().jwk()), mode=0o600)
    return load_private(parse_object(path.read_bytes(), EVENT_KEY), EVENT_KEY)


def decrypt_key(data: Path) -> jwe.DecryptKey:
    """The key that opens lists and commands, made when there is none. Raises OSError or Refused."""
    path = data / DECRYPT_KEY
    if not path.exists():
        replace_file(path, jwe.file_of(jwe.make_key()), mode=0o600)
    return jwe.read_private(path.read_bytes(), DECRYPT_KEY)
