"""`zaalsleutel audit`: verify an exported log, export one, keep checkpoints; reports and retention are next door.

Exit status of `verify`: 0 intact, 1 damaged, 2 the file or the key cannot be read. The other commands: 0 done, 2 not.
Verifying needs no database, no network and no hub: an auditor does it on a machine of their own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from controller.formats.encoding import canonical, parse_object
from controller.formats.errors import Refused
from controller.formats.event import Statement
from controller.formats.jwk import VerifyKey, load_public
from sync.hub.audit import report_cli, retention_cli
from sync.hub.audit.cli_reading import Desk, When, refusals
from sync.hub.audit.verify import Damage, Verdict, read_checkpoints, read_lines, verify

DAMAGED = 1
# Below this a bar would be gone before it is seen.
PROGRESS_BYTES = 5 << 20

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Export, verify and explain entry logs.")
report_cli.register(app)
retention_cli.register(app)
_screen = Console(stderr=True)


@app.command("verify")
def verify_file(
    file: Annotated[Path, typer.Argument(help="an exported log (log.jsonl)")],
    key: Annotated[
        Path | None, typer.Option(help="the door's public event key, a JWK file, or what `door init` printed")
    ] = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="what the door signed earlier, kept elsewhere; may be repeated")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object instead of sentences")] = False,
) -> None:
    """Verify an exported log: nothing altered, nothing missing, and with --key all of it signed by that door.

    With --checkpoint also: this is the history the door has signed for before."""
    with refusals(as_json):
        door_key = _door_key(key) if key else None
        verdict = verify(_with_progress(file), door_key, _checkpoints(checkpoint or [], door_key))
    intact = verdict.damage is None
    if as_json:
        shown = os.fsencode(file).decode("utf-8", "replace")  # a name may be no text, JSON has to be
        typer.echo(canonical({"file": shown, "intact": intact, **asdict(verdict)}))
    else:
        for sentence in _sentences(verdict):
            typer.echo(sentence)
    raise typer.Exit(0 if intact else DAMAGED)


@app.command("checkpoint")
def keep_checkpoint(
    hub: Annotated[Path, typer.Option(help="the hub's folder")],
    door: Annotated[str, typer.Option(help="the door's id")],
    out: Annotated[Path, typer.Option(help="a file kept elsewhere; the statement is added to it")],
    log: Annotated[str | None, typer.Option(help="which log, where a door has several")] = None,
) -> None:
    """Add the newest statement the door has signed over its log to a file, for `verify --checkpoint`. For every day."""
    from sync.hub.audit.export import checkpoint

    with refusals(), Desk.open(hub) as desk, out.open("ab") as file:
        file.write(checkpoint(desk.store, door, desk.log_of(door, log)))


@app.command("export")
def export_log(
    hub: Annotated[Path, typer.Option(help="the hub's folder")],
    door: Annotated[str, typer.Option(help="the door's id")],
    out: Annotated[Path, typer.Option(help="the file to write")],
    log: Annotated[str | None, typer.Option(help="which log, where a door has several")] = None,
    from_: Annotated[str, typer.Option("--from", help="the first instant asked for (RFC 3339, or local)")] = "",
    until: Annotated[str, typer.Option(help="the instant before which it ends")] = "",
    reservation: Annotated[str | None, typer.Option(help="CLIENT/REF: only its records keep their names")] = None,
    purpose: Annotated[str, typer.Option(help="what the export is for; without one it names nobody")] = "",
    basis: Annotated[str, typer.Option(help="the legal basis, Article 6(1) GDPR, e.g. public_task")] = "",
    zone: Annotated[str, typer.Option(help="time zone of local instants")] = When.ZONE,
) -> None:
    """Write a door's log as a file that proves itself: all of it, or what surrounds the time or reservation asked for.

    Records outside the question, and other people's, stay in it without their names: the proof needs them."""
    from sync.hub.audit.export import Selection, export

    with refusals(), Desk.open(hub) as desk:
        when = When.parse(from_, until, zone)
        grants = desk.grants_of(reservation) if reservation is not None else None
        selection = Selection(when.from_s * 1000, when.until_s * 1000, grants, named=bool(purpose))
        chosen = desk.log_of(door, log)
        about = f"door {door}, log {chosen}" + (f", reservation {reservation}" if reservation else "") + str(when)
        desk.note("export", about, purpose, basis, names=selection.named)
        desk.write(out, export(desk.store, door, chosen, selection))
    names = "" if purpose else "; it names nobody (no --purpose)"
    typer.echo(f"{out}: log {chosen} of {door}{names}")


def _checkpoints(paths: list[Path], door_key: VerifyKey | None) -> list[Statement]:
    found: list[Statement] = []
    for path in paths:
        try:
            found += read_checkpoints(path.read_bytes().splitlines(), door_key)
        except Refused as refused:
            raise Refused(refused.code, f"{path} {refused.where}".rstrip(), refused.text) from None
    return found


def _door_key(path: Path) -> VerifyKey:
    members = parse_object(path.read_bytes(), str(path))
    # What `door init` printed holds the key under its name.
    return load_public(members.get("event_key", members), str(path))


def _with_progress(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    with path.open("rb") as file, Progress(console=_screen, transient=True, disable=size < PROGRESS_BYTES) as progress:
        task = progress.add_task(f"verifying {path.name}", total=size)
        for line in read_lines(file):
            yield line
            progress.advance(task, len(line))


def _sentences(verdict: Verdict) -> Iterator[str]:
    if verdict.damage:
        yield f"DAMAGED: {_place(verdict.damage)}: {verdict.damage.text}"
        yield f"{verdict.records} records before that are in order."
    else:
        numbers = f"{verdict.records} records, {verdict.first} to {verdict.last}"
        yield f"intact: {numbers}, log {verdict.log} of {verdict.door}"
        if verdict.first != 1:
            yield f"What came before number {verdict.first} is not in this file."
        if verdict.redacted:
            yield f"{verdict.redacted} of them name somebody without saying whom (erased or redacted)."
        if verdict.checkpoints:
            yield f"It is the history the door had signed for at {_numbers(verdict.checkpoints)}."
    if verdict.not_compared:
        yield f"Not compared: the checkpoints at {_numbers(verdict.not_compared)} are not about what is in this file."
    if not verdict.signatures_checked:
        yield "Signatures were NOT checked (no --key): whoever made this file could have made all of it up."


def _place(damage: Damage) -> str:
    if damage.first is None:
        return f"{damage.kind} (line {damage.line})"
    if damage.first == damage.last:
        return f"{damage.kind} at number {damage.first} (line {damage.line})"
    return f"{damage.kind} within numbers {damage.first} to {damage.last} (line {damage.line})"


def _numbers(found: list[int]) -> str:
    return ", ".join(map(str, found))
