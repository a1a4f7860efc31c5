"""`zaalsleutel keys`: signing keys as JWK files.

    zaalsleutel keys make --purpose list --out list.jwk --public list.pub.jwk

A private key is written once, readable by its owner only, and never over something that is there. The file says what
the key is for, so that a receipt key does not end up signing lists by mistake; doors do not rely on that, they have
their trust document.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.formats import jwe
from controller.formats.errors import Refused
from controller.formats.jwk import Alg, make_key
from controller.formats.trust import Purpose

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Make keys, and sign what the doors believe.")


@app.callback()
def _room() -> None:
    """Keeps `make` a word of its own while it is the only one."""


@app.command()
def make(
    purpose: Annotated[Purpose, typer.Option(help="What the key is for; a key has one purpose.")],
    out: Annotated[Path, typer.Option(help="The private key: a new file, mode 0600.", dir_okay=False)],
    alg: Annotated[Alg, typer.Option(help="ES256 where .NET has to verify.")] = "Ed25519",
    public: Annotated[Path | None, typer.Option(help="The public half, also a new file.", dir_okay=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Make a key and print its thumbprint (RFC 7638), the name everything it signs carries as `kid`."""
    with refusals(as_json):
        secret, shown, thumbprint = _new_key(purpose, alg)
        private = key_document(secret, thumbprint, purpose)
        if public:
            write_pair(out, private, public, key_document(shown, thumbprint, purpose), mode=0o600)
        else:
            write_new(out, private, mode=0o600)
    if as_json:
        files = {"file": str(out), "public": str(public) if public else None}
        print(json.dumps({"kid": thumbprint, "alg": alg, "purpose": purpose, **files}))
    else:
        print(thumbprint)


def _new_key(purpose: Purpose, alg: Alg) -> tuple[dict[str, str], dict[str, str], str]:
    """Private JWK, public JWK, thumbprint. What is collected is encrypted: that key is X25519, or P-256 with ES256."""
    if purpose == "collect":
        reader = jwe.make_key("X25519" if alg == "Ed25519" else "P-256")
        return reader.jwk(), reader.encrypt_key.jwk(), reader.encrypt_key.thumbprint
    key = make_key(alg)
    return key.jwk(), key.verify_key.jwk(), key.verify_key.thumbprint


def key_document(jwk: dict[str, str], thumbprint: str, purpose: str) -> bytes:
    """A key file: the JWK, its name, and what it is for."""
    # No `alg`: the curve says it, and many libraries know Ed25519 only by its older name EdDSA.
    use = "enc" if purpose == "collect" else "sig"
    members = {**jwk, "kid": thumbprint, "use": use, "purpose": purpose}
    return (json.dumps(members, indent=1) + "\n").encode()


@contextmanager
def refusals(as_json: bool) -> Iterator[None]:
    """Turns a refusal into one line on stderr, `place: sentence (code)`, and exit status 1, or 2 for a file that cannot
    be used; with `as_json` also `{"refused": code, "where", "text"}` on stdout."""
    try:
        yield
    except Refused as refusal:
        if as_json:
            print(json.dumps({"refused": refusal.code, "where": refusal.where, "text": refusal.text}))
        print(refusal, file=sys.stderr)
        raise typer.Exit(status_of(refusal)) from None


def status_of(refusal: Refused) -> int:
    """The exit status for a refusal: 2 where the command line names a file that cannot be read or written, else 1."""
    return 2 if refusal.code in {"unreadable", "unwritable"} else 1


def read_text(path: Path, max_bytes: int) -> str:
    """The text in a file. Raises Refused `unreadable` or `too_large`."""
    try:
        return read_file(path, max_bytes).decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("unreadable", str(path), "not a text in UTF-8") from None


def read_file(path: Path, max_bytes: int) -> bytes:
    """The bytes of a file. Raises Refused `unreadable` or `too_large`."""
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise _unusable("unreadable", path, error) from None
    if len(data) > max_bytes:
        raise Refused("too_large", str(path), f"over {max_bytes} bytes")
    return data


def write_new(path: Path, data: bytes, *, mode: int) -> None:
    """A file that was not there, on the disk before this returns. Raises Refused `exists` or `unwritable`."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise Refused("exists", str(path), "is there already and is never overwritten") from None
    except OSError as error:
        raise _unusable("unwritable", path, error) from None
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink()
        raise _unusable("unwritable", path, error) from None


def write_pair(private: Path, secret: bytes, public: Path, shown: bytes, *, mode: int) -> None:
    """Both new files or neither: half a key pair on the disk would have to be cleaned up by hand. Raises Refused like
    `write_new`."""
    write_new(public, shown, mode=0o644)
    try:
        write_new(private, secret, mode=mode)
    except Refused:
        public.unlink()
        raise


def replace_file(path: Path, data: bytes, *, mode: int) -> None:
    """Puts a whole new file in the place of the old one: a reader sees the one or the other, also after a power cut.
    What is no file (a device, a pipe, a folder) is left as it is, a link is followed. Raises Refused `unwritable`."""
    real = Path(os.path.realpath(path))
    if real.exists() and not real.is_file():
        raise Refused("unwritable", str(path), "is there and is no regular file")
    new = real.with_name(f".{real.name}.{os.getpid()}")
    try:
        write_new(new, data, mode=mode)
    except Refused as refusal:
        raise Refused(refusal.code, str(path), refusal.text) from None
    try:
        new.replace(real)
    except OSError as error:
        new.unlink()
        raise _unusable("unwritable", path, error) from None
    # The rename itself is on the disk once its folder is.
    folder = os.open(real.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _unusable(code: str, path: Path, error: OSError) -> Refused:
    return Refused(code, str(path), (error.strerror or "cannot be used").lower())


def purpose_of(jwk: dict[str, Any]) -> str | None:
    """What a key file says its key is for; None where it does not say (files made elsewhere)."""
    purpose = jwk.get("purpose")
    return purpose if isinstance(purpose, str) else None
