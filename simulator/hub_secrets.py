"""Everything in a hub's database that is nobody's business, as a listener would have to meet it.

secrets = hub_secrets.read(hub_folder)
"""

from __future__ import annotations

import base64
import sqlite3
from contextlib import closing
from pathlib import Path

from simulator.overheard import Secret, code_secrets, secret
from sync.hub.keys.keyring import Keyring
from sync.hub.settings import read_settings


def read(hub: Path) -> list[Secret]:
    """Everything in a hub folder with SQLite that is nobody's business: codes in clear, what doors compare them with,
    ids of grants and credentials, references, the keys of the groups, the salts."""
    settings = read_settings(hub)
    keyring = Keyring.load(settings.folders.keys)
    found: list[Secret] = []
    with closing(sqlite3.connect(f"file:{hub / 'hub.db'}?mode=ro", uri=True)) as database:
        for name, sealed, qr_hash in database.execute("SELECT id, sealed, qr_hash FROM credentials"):
            found.append(secret("a credential's id", name))
            if qr_hash:
                found.append(secret("the hash of a QR", qr_hash, _unb64(qr_hash)))
            if sealed:
                found += code_secrets(keyring.unseal(sealed, name).decode("ascii"))
        for (verifier,) in database.execute("SELECT verifier FROM verifiers"):
            found.append(secret("a verifier", verifier, _unb64(verifier)))
        for (salt,) in database.execute("SELECT salt FROM doors"):
            found.append(secret("a door's salt", salt, _unb64(salt)))
        for name, sealed in database.execute("SELECT id, sealed_key FROM door_groups"):
            key = keyring.unseal(sealed, f"group {name}")
            found.append(secret("the key of a group", key, base64.urlsafe_b64encode(key).rstrip(b"=")))
        for ref, grant in database.execute("SELECT ref, grant_id FROM reservations"):
            found += [secret("a reservation", ref), secret("a grant's id", grant, grant.removeprefix("p-"))]
    return found


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
