"""`zaalsleutel keys root …` and `zaalsleutel keys trust …`: the ceremony.

    on each holder's machine, without network
        zaalsleutel keys root make --out root-1.jwe --public root-1.pub.jwk
    once, with the public files of all holders and of the hub (`hub init` wrote those)
        zaalsleutel keys trust new --root root-1.pub.jwk --root … --key list.pub.jwk --key … \\
            --authority ca.pem --out draft-1
    each holder, without network, after reading what it says
        zaalsleutel keys trust sign draft-1 --root root-1.jwe --out part-1
    anywhere
        zaalsleutel keys trust combine part-1 part-2 --out trust-1.json
    at the hub
        zaalsleutel hub trust trust-1.json

Later documents start from the one before (`rotate`, `retire`, `revoke`, `replace-root`, `renew`) and are signed and
combined the same way. Every file is new; nothing is ever overwritten or deleted, and no command holds two root keys.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, cast, get_args

import typer
from msgspec import UnsetType

from controller.formats import jwk, trust, trust_step
from controller.formats.code_list import Kind
from controller.formats.encoding import canonical, parse_object
from controller.formats.errors import Refused
from controller.formats.jwk import Alg
from controller.formats.trust import Purpose, Trust
from sync.hub.keys import ceremony, root_keys
from sync.hub.keys.ceremony import OnlineKey
from sync.hub.keys.cli import app, key_document, purpose_of, read_file, read_text, refusals, write_new, write_pair

root_app = typer.Typer(no_args_is_help=True, help="Offline keys: made, kept and used away from the hub.")
trust_app = typer.Typer(no_args_is_help=True, help="The trust document: who may speak to the doors.")
app.add_typer(root_app, name="root")
app.add_typer(trust_app, name="trust")

__all__ = ["app"]

TEXT_BYTES = jwk.FILE_BYTES * 4
PURPOSES: dict[str, Purpose] = {purpose: purpose for purpose in get_args(Purpose)}
NewFile = Annotated[Path, typer.Option("--out", help="A new file.", dir_okay=False)]
Before = Annotated[Path, typer.Argument(help="The newest signed trust document.")]
PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", help="Read the passphrase here instead of asking for it.")
]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The key's name (thumbprint), or how it begins.")]


@root_app.command("make")
def make_root(
    out: NewFile,
    public: Annotated[Path, typer.Option(help="The public half, also a new file.")],
    alg: Annotated[Alg, typer.Option(help="ES256 where .NET has to verify.")] = "Ed25519",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make one offline key under a passphrase. Do it on a machine without network; copy the file to a second stick."""
    with refusals(as_json=False):
        key = jwk.make_key(alg)
        locked = root_keys.lock(key, _passphrase(passphrase_file, confirm=True))
        thumbprint = key.verify_key.thumbprint
        shown = key_document(key.verify_key.jwk(), thumbprint, "root")
        write_pair(out, locked, public, shown, mode=0o400)
    print(thumbprint)


@trust_app.command("new")
def new(
    out: NewFile,
    root: Annotated[list[Path], typer.Option(help="A holder's public key file; once for each holder.")],
    key: Annotated[list[Path], typer.Option(help="A public key file of the hub; it says itself what it is for.")],
    authority: Annotated[list[Path], typer.Option(help="PEM certificate of the CA of hub and broker.")],
    threshold: Annotated[int, typer.Option(help="How many holders must sign.", min=trust.THRESHOLD_MIN)] = 2,
) -> None:
    """Draft the first trust document of a town."""
    with refusals(as_json=False):
        roots = [_public(path) for path in root]
        authorities = [read_text(path, TEXT_BYTES) for path in authority]
        _draft(ceremony.first(roots, threshold, [_online(path) for path in key], authorities, _now_s()), out)


@trust_app.command()
def rotate(
    before: Before,
    key: Annotated[Path, typer.Option(help="The new public key file.")],
    out: NewFile,
    doors: Annotated[list[str] | None, typer.Option(help="Only for doors whose id begins like this.")] = None,
    kinds: Annotated[list[str] | None, typer.Option(help="Only for lists with grants of this kind.")] = None,
) -> None:
    """Draft: a new key for a purpose; those before it sign nothing new, their lists live to their end.

    With --doors or --kinds the key is for these only, and takes the place of those with the same limits."""
    with refusals(as_json=False):
        limited = replace(_online(key), doors=tuple(doors or ("",)), kinds=cast(tuple[Kind, ...], tuple(kinds or ())))
        _draft(ceremony.rotate(_signed(before), limited, _now_s()), out)


@trust_app.command()
def retire(before: Before, key: Key, out: NewFile) -> None:
    """Draft: a key signs nothing new. No door loses its list."""
    with refusals(as_json=False):
        document = _signed(before)
        _draft(ceremony.retire(document, ceremony.full_kid(document, key), _now_s()), out)
    print("No door loses its list.")


@trust_app.command()
def revoke(
    before: Before,
    key: Key,
    out: NewFile,
    hub: Annotated[Path | None, typer.Option(help="The hub folder, to count the doors this concerns.")] = None,
) -> None:
    """Draft: a key is in wrong hands. What it signed dies as soon as a door hears of it."""
    with refusals(as_json=False):
        document = _signed(before)
        kid = ceremony.full_kid(document, key)
        after = ceremony.revoke(document, kid, _now_s())
        lost = _doors_that_lose(hub, kid, epoch_moves=after.epoch > document.epoch)
        _draft(after, out)
    print(f"{lost} their list when they hear of this, until the hub's next list reaches them.")


@trust_app.command("replace-root")
def replace_root(
    before: Before, key: Key, new: Annotated[Path, typer.Option(help="The new holder's public key file.")], out: NewFile
) -> None:
    """Draft: another offline key in the place of a lost one. The others sign; the lost one is not needed."""
    with refusals(as_json=False):
        document = _signed(before)
        _draft(ceremony.replace_root(document, ceremony.full_kid(document, key), _public(new), _now_s()), out)


@trust_app.command()
def renew(
    before: Before,
    out: NewFile,
    time_floor: Annotated[
        str | None, typer.Option(help="RFC 3339 instant no door's clock may be before.", metavar="INSTANT")
    ] = None,
) -> None:
    """Draft: the same once more, good for another 13 months."""
    with refusals(as_json=False):
        floor_s = None if time_floor is None else _seconds(time_floor)
        _draft(ceremony.renew(_signed(before), _now_s(), floor_s), out)


@trust_app.command()
def sign(
    draft: Annotated[Path, typer.Argument(help="What `new`, `rotate`, … wrote.")],
    root: Annotated[Path, typer.Option(help="Your root key file.")],
    out: NewFile,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Sign a draft with one root key, after showing what it says. Needs no network."""
    with refusals(as_json=False):
        payload = read_file(draft, trust.MAX_BYTES)
        _say(trust.parse(payload), trust_step.trust_hash(payload))
        key = root_keys.unlock(read_file(root, jwk.FILE_BYTES), _passphrase(passphrase_file, confirm=False), str(root))
        write_new(out, trust_step.sign(payload, [key]), mode=0o644)


@trust_app.command()
def combine(
    part: Annotated[list[Path], typer.Argument(help="What `sign` wrote, of different holders.")],
    out: NewFile,
    previous: Annotated[Path | None, typer.Option(help="The signed version before; needed from version 2 on.")] = None,
) -> None:
    """Put signatures together and judge the result as a door would."""
    with refusals(as_json=False):
        whole = trust_step.combine([read_file(path, trust_step.DOCUMENT_BYTES) for path in part])
        step = trust_step.open_first(whole) if previous is None else trust_step.open_next(whole, _signed(previous))
        if previous is None and step.trust.version != 1:
            raise Refused("trust_gap", "--previous", f"version {step.trust.version} follows one that has to be shown")
        write_new(out, whole, mode=0o644)
    print(f"version {step.trust.version} is signed: {step.hash}")


@trust_app.command()
def show(document: Annotated[Path, typer.Argument(help="A signed trust document.")]) -> None:
    """Say in words what a signed document says; refuse one that its own roots did not sign."""
    with refusals(as_json=False):
        step = trust_step.open_first(read_file(document, trust_step.DOCUMENT_BYTES))
        _say(step.trust, step.hash)


def _draft(document: Trust, out: Path) -> None:
    payload = canonical(document)
    write_new(out, payload, mode=0o644)
    _say(document, trust_step.trust_hash(payload))
    print(f"Not signed yet: {document.threshold} of {len(document.roots)} holders sign {out.name}.")


def _say(document: Trust, name: str) -> None:
    print(f"Trust document version {document.version}, key epoch {document.epoch}, named {name}.")
    print(f"Good from {_day(document.issued)} to {_day(document.expires)}.")
    print(f"The next version needs {document.threshold} of these {len(document.roots)} offline keys:")
    for kid in document.root_keys():
        print(f"  {kid}")
    print("Who may speak to the doors:")
    for key in document.keys:
        doors = "all doors" if "" in key.doors else "doors " + ", ".join(f"{start}*" for start in key.doors)
        kinds = "" if isinstance(key.kinds, UnsetType) else f", {' and '.join(key.kinds)} only"
        print(f"  {key.purpose:8}{key.state:9}{ceremony.kid_of(key)}  {doors}{kinds}, until {_day(key.expires)}")
    if document.time_floor is not None:
        print(f"No door's clock may be before {_day(document.time_floor)}.")


def _doors_that_lose(hub: Path | None, kid: str, *, epoch_moves: bool) -> str:
    if hub is None:
        return "All doors lose" if epoch_moves else "All doors whose list this key signed lose"
    from sync.hub.keys.trust_reach import doors_with_list

    every, signed = doors_with_list(hub, kid)
    return f"{every if epoch_moves else signed} of {every} doors with a list lose"


def _signed(path: Path) -> Trust:
    return trust_step.open_first(read_file(path, trust_step.DOCUMENT_BYTES)).trust


def _public(path: Path) -> dict[str, str]:
    return jwk.read_public(read_file(path, jwk.FILE_BYTES), str(path)).jwk()


def _online(path: Path) -> OnlineKey:
    members = parse_object(read_file(path, jwk.FILE_BYTES), str(path))
    purpose = purpose_of(members)
    if purpose is None or purpose not in PURPOSES:
        raise Refused("wrong_purpose", str(path), "this file does not say what its key is for")
    if "d" in members:
        raise Refused("bad_key", str(path), "a private key has no business here; give the public file")
    return OnlineKey({name: members[name] for name in ("kty", "crv", "x", "y") if name in members}, PURPOSES[purpose])


def _passphrase(path: Path | None, *, confirm: bool) -> str:
    if path is not None:
        return read_text(path, TEXT_BYTES).strip()
    said: str = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm)
    return said


def _seconds(text: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise Refused("bad_instant", "--time-floor", "not an RFC 3339 instant") from None
    if instant.tzinfo is None:
        raise Refused("bad_instant", "--time-floor", "needs an offset, e.g. Z")
    return int(instant.timestamp())


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _now_s() -> int:
    return int(time.time())
