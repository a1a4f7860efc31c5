"""`zaalsleutel list`: make a signed code list out of a plain description, and look into one.

zaalsleutel list make --input plain.json --key list.jwk --out list.json --json
zaalsleutel list inspect list.json --key list.pub.jwk
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table
from rich.text import Text

from controller.formats import code_list, jwe, jwk
from controller.formats.code_list import CodeList
from controller.formats.encoding import parse_object
from controller.formats.envelope import Opened, open_envelope, seal, unverified
from controller.formats.errors import Refused
from controller.formats.jwk import SigningKey
from controller.formats.limits import LIMITS
from sync.hub.issuing import plain_list
from sync.hub.keys.cli import purpose_of, read_file, refusals, replace_file

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Make and inspect code lists.")

PROGRESS_FROM_PINS = 100  # below that a list is ready within a few seconds
SHOWN_WINDOWS = 3

JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


@app.command()
def make(
    source: Annotated[Path, typer.Option("--input", help="The plain list (docs/formats/plain-list.schema.json).")],
    key: Annotated[Path, typer.Option(help="The private JWK that signs.")],
    out: Annotated[Path, typer.Option(help="The signed list; replaced in one step if it is there.")],
    pass_keys: Annotated[
        Path | None, typer.Option(help='Group keys for QR passes, [["group", "base64url of 32 bytes"], …].')
    ] = None,
    encrypt_to: Annotated[
        Path | None, typer.Option(help="The door's public encryption key: the list is encrypted after signing.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a signed list. PINs come in clear; verifiers, QR passes, salt and ids are made here."""
    with refusals(as_json):
        for given in (source, key, pass_keys, encrypt_to):
            if given is not None and out.exists() and given.exists() and out.samefile(given):
                raise Refused("exists", str(out), "is one of the files the list is made from")
        signing_key = _signing_key(key)
        plain = plain_list.parse(read_file(source, plain_list.INPUT_BYTES))
        group_keys = plain_list.parse_pass_keys(read_file(pass_keys, LIMITS.socket_line_bytes)) if pass_keys else None
        with _progress(sum(len(grant.pins) for grant in plain.grants)) as derived:
            made = plain_list.build(plain, group_keys, derived=derived)
        envelope = seal(made.payload, code_list.TYP, signing_key)
        if encrypt_to is not None:
            reader = jwe.read_public(read_file(encrypt_to, jwk.FILE_BYTES), str(encrypt_to))
            envelope = jwe.encrypt(envelope, code_list.TYP, reader).encode("ascii")
        # Verifiers and group keys are for the door's eyes only.
        replace_file(out, envelope, mode=0o600)
    answer = {
        "door": plain.door,
        "version": plain.version,
        "hash": code_list.payload_hash(made.payload),
        "qr": made.qr,
    }
    if as_json:
        print(json.dumps(answer))
        return
    print(f"{out}: door {plain.door}, version {plain.version}, {len(plain.grants)} grants, hash {answer['hash']}")
    for grant, texts in made.qr.items():
        print(f"{grant}  {' '.join(texts)}")


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="A signed list.")],
    key: Annotated[Path | None, typer.Option(help="The JWK that signed it, public or private.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a list says. With --key its signature is verified; without, nothing is proven and that is said."""
    with refusals(as_json):
        opened = _open(read_file(file, LIMITS.envelope_bytes), key)
        shown = code_list.parse(opened.payload)
    summary = _summary(shown, opened, verified=key is not None)
    if as_json:
        print(json.dumps(summary))
    else:
        _print_summary(shown, summary)


def _signing_key(path: Path) -> SigningKey:
    data = read_file(path, jwk.FILE_BYTES)
    key = jwk.read_private(data, str(path))
    if purpose_of(parse_object(data, str(path))) not in {"list", None}:
        raise Refused("wrong_purpose", str(path), "this key says it is not for lists")
    return key


def _open(data: bytes, key: Path | None) -> Opened:
    if key is None:
        return unverified(data)
    verify_key = jwk.read_public(read_file(key, jwk.FILE_BYTES), str(key))
    keys = {verify_key.thumbprint: verify_key}
    return open_envelope(data, code_list.TYP, keys, max_bytes=LIMITS.envelope_bytes)


@contextmanager
def _progress(pins: int) -> Iterator[Callable[[], None]]:
    """Gives what to call after each PIN: a bar where a person is watching and there is something to wait for."""
    if pins < PROGRESS_FROM_PINS or not sys.stderr.isatty():
        yield lambda: None
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("deriving PIN verifiers", total=pins)
        yield lambda: bar.advance(task)


def _summary(shown: CodeList, opened: Opened, *, verified: bool) -> dict[str, Any]:
    """What may be shown of a list: no verifiers, no hashes of passes, no group keys."""
    return {
        "verified": verified,
        "kid": opened.kid,
        "door": shown.door,
        "epoch": shown.epoch,
        "version": shown.version,
        "hash": code_list.payload_hash(opened.payload),
        "issued": _instant(shown.issued),
        "refresh_after": _instant(shown.refresh_after),
        "valid_until": _instant(shown.valid_until),
        "shrink": shown.shrink,
        "policy": msgspec.to_builtins(shown.policy),
        "posture": msgspec.to_builtins(shown.posture),
        "grants": [
            {
                "id": grant.id,
                "kind": grant.kind,
                "active": grant.active,
                "windows": [[_instant(start), _instant(end)] for start, end in grant.windows],
                "max_uses": grant.max_uses,
                "offline_ok": grant.offline_ok,
                "pins": len(grant.pins),
                "qrs": len(grant.qrs),
            }
            for grant in shown.grants
        ],
        "closures": [
            {"from": _instant(closure.from_), "until": _instant(closure.until), "reason": closure.reason}
            for closure in shown.closures
        ],
        "pass_groups": list(dict.fromkeys(key.group for key in shown.pass_keys)),
    }


def _print_summary(shown: CodeList, summary: dict[str, Any]) -> None:
    # Texts from the file go through Text: square brackets are markup to rich.
    console = Console()
    proof = "signature verified" if summary["verified"] else "NOT VERIFIED (give --key)"
    console.print(Text(f"door {shown.door}, version {shown.version}, epoch {shown.epoch}: {proof}"))
    console.print(Text(f"hash {summary['hash']}"))
    console.print(Text(f"signed by {summary['kid']}"))
    console.print(Text(f"issued {summary['issued']}, refresh after {summary['refresh_after']}"))
    console.print(Text(f"valid until {summary['valid_until']}"))
    for closure in summary["closures"]:
        console.print(Text(f"closed {closure['from']} – {closure['until']}: {closure['reason']}"))
    width = len(_instant(0))
    windows = Column("from", min_width=width), Column("until", min_width=width)
    table = Table(Column("grant", overflow="fold"), "kind", *windows, "uses", "PINs", "QRs", box=SIMPLE, pad_edge=False)
    for grant in shown.grants:
        remarks = ["" if grant.active else " (suspended)", " (offline)" if grant.offline_ok else ""]
        table.add_row(
            grant.id,
            grant.kind + "".join(remarks),
            _lines([start for start, _ in grant.windows]),
            _lines([until for _, until in grant.windows]),
            "any" if grant.max_uses is None else str(grant.max_uses),
            str(len(grant.pins)),
            str(len(grant.qrs)),
        )
    console.print(table)


def _lines(instants: list[int]) -> str:
    lines = [_instant(instant) for instant in instants[:SHOWN_WINDOWS]]
    if len(instants) > SHOWN_WINDOWS:
        lines.append(f"… {len(instants)} in all")
    return "\n".join(lines)


def _instant(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        return f"{seconds} s"  # past the year 9999, which the format allows
