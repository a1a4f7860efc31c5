"""Which of the hub's own keys are used: those that the newest trust document names, as far as they are here.

    keys/list.jwk               the first key of a purpose, made by `hub init`
    keys/list-<name>.jwk        another one, made by `hub keys make list`
    keys/….pub.jwk              their public halves, which a ceremony takes along

So a key is rotated by a trust document and by nothing else: the next key lies ready beside the old one, and the running
hub goes over to it when a ceremony's document has come in. No file is replaced, none has to be removed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, cast

from msgspec import UNSET

from controller.formats import jwe, jwk
from controller.formats.encoding import canonical
from controller.formats.errors import Refused
from controller.formats.jwe import DecryptKey
from controller.formats.jwk import Alg, Signer
from controller.formats.trust import Purpose, Trust
from sync.hub.keys.ceremony import kid_of
from sync.hub.keys.cli import key_document
from sync.hub.keys.keyring import Keyring, write_once
from sync.hub.keys.link_keys import LinkKeys
from sync.hub.keys.trust_shelf import TRUST, TrustShelf

Own = Literal["list", "receipt", "command", "collect"]
PURPOSES: Final[tuple[Own, ...]] = ("list", "receipt", "command", "collect")
NAME_CHARS: Final = 8
PUBLIC: Final = ".pub.jwk"


@dataclass(frozen=True)
class OwnKey:
    """One of the hub's keys: its name (thumbprint), its file, and what the newest trust document says of it; `state`
    is None where that does not name it. `used` is the one this hub works with now."""

    purpose: str
    kid: str
    state: str | None
    expires: int | None
    used: bool
    file: Path


def make_next(folder: Path, purpose: Own, alg: Alg = "Ed25519") -> tuple[str, Path]:
    """Another key for `purpose`, beside those that are there: its name, and the public file for the ceremony."""
    if purpose == "collect":
        reader = jwe.make_key("X25519" if alg == "Ed25519" else "P-256")
        secret, public, kid = jwe.file_of(reader), reader.encrypt_key.jwk(), reader.encrypt_key.thumbprint
    else:
        key = jwk.make_key(alg)
        secret, public, kid = canonical(key.jwk()), key.verify_key.jwk(), key.verify_key.thumbprint
    private = folder / f"{purpose}-{kid[:NAME_CHARS]}.jwk"
    shown = private.with_suffix(PUBLIC)
    if not write_once(private, secret, mode=0o600):
        raise Refused("exists", str(private), "is there already and is never overwritten")
    write_once(shown, key_document(public, kid, purpose), mode=0o644)
    return kid, shown


def keyring(folder: Path) -> Keyring:
    """The keyring with the keys that are to be used now. Raises Refused `bad_key`."""
    trust = _trust(folder)
    return replace(
        Keyring.load(folder), list_key=_signer(folder, "list", trust), receipt_key=_signer(folder, "receipt", trust)
    )


def link_keys(folder: Path) -> LinkKeys:
    """The link's keys that are to be used now; what was encrypted to an older collect key can still be read. Raises
    Refused `bad_key`."""
    trust = _trust(folder)
    collect = _chosen(folder, "collect", trust)
    readers = {path: _reader(path) for path in _files(folder, "collect")}
    older = tuple(key for path, key in readers.items() if path != collect)
    return LinkKeys(_signer(folder, "receipt", trust), _signer(folder, "command", trust), readers[collect], older)


def inventory(folder: Path) -> list[OwnKey]:
    """Every key of the hub, the used ones first."""
    trust = _trust(folder)
    found = []
    for purpose in PURPOSES:
        used = _chosen(folder, purpose, trust)
        for path in _files(folder, purpose):
            kid = _kid(path, purpose)
            named = next((key for key in (trust.keys if trust else ()) if kid_of(key) == kid), None)
            state, expires = (named.state, named.expires) if named else (None, None)
            found.append(OwnKey(purpose, kid, state, expires, path == used, path))
    return sorted(found, key=lambda key: (PURPOSES.index(cast(Own, key.purpose)), not key.used, str(key.file)))


def lacking(folder: Path) -> list[str]:
    """Purposes for which the newest trust document names no active key that is here: doors believe none of the hub's
    words for these."""
    return [purpose for purpose in PURPOSES if not any(_usable(folder, purpose, _trust(folder)))]


def _chosen(folder: Path, purpose: Own, trust: Trust | None) -> Path:
    """The file of the key to use: of the active ones that are here, the one that lives longest. Before the first
    ceremony, and where the document names none that is here, the first one: doors will say what they think of it."""
    usable = _usable(folder, purpose, trust)
    return usable[max(usable)] if usable else folder / f"{purpose}.jwk"


def _usable(folder: Path, purpose: Own, trust: Trust | None) -> dict[int, Path]:
    """The files of the active keys that are here, by the end of their life. A key for some doors or kinds only is for
    some other issuer."""
    files = {_kid(path, purpose): path for path in _files(folder, purpose)}
    active = [
        key
        for key in (trust.keys if trust else ())
        if (key.purpose, key.state) == (purpose, "active") and "" in key.doors and key.kinds is UNSET
    ]
    return {key.expires: files[kid] for key in active if (kid := kid_of(key)) in files}


def _files(folder: Path, purpose: Purpose) -> list[Path]:
    further = [path for path in folder.glob(f"{purpose}-*.jwk") if not path.name.endswith(PUBLIC)]
    return [folder / f"{purpose}.jwk", *sorted(further)]


def _kid(path: Path, purpose: Purpose) -> str:
    return _reader(path).encrypt_key.thumbprint if purpose == "collect" else _key(path).verify_key.thumbprint


def _signer(folder: Path, purpose: Own, trust: Trust | None) -> Signer:
    return _key(_chosen(folder, purpose, trust))


def _key(path: Path) -> Signer:
    return jwk.read_private(_read(path), path.name)


def _reader(path: Path) -> DecryptKey:
    return jwe.read_private(_read(path), path.name)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused("bad_key", str(path), error.strerror or "cannot be read") from None


def _trust(folder: Path) -> Trust | None:
    newest = TrustShelf(folder / TRUST).newest()
    return None if newest is None else newest.trust
