"""`zaalsleutel audit`: export a door's log, verify an exported one.

Exit status of `verify`: 0 intact, 1 damaged, 2 the file or the key cannot be read.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from controller.formats.encoding import canonical, parse_object
from controller.formats.errors import Refused
from controller.formats.jwk import VerifyKey, load_public
from sync.hub.audit import Damage, Verdict, export, read_lines, verify

DAMAGED = 1
UNREADABLE = 2
# Below this a bar would be gone before it is seen.
PROGRESS_BYTES = 5 << 20

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Export and verify entry logs.")
_screen = Console(stderr=True)


@app.command("verify")
def verify_file(
    file: Annotated[Path, typer.Argument(help="an exported log (log.jsonl)")],
    key: Annotated[Path | None, typer.Option(help="the door's public event key, a JWK file")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object instead of sentences")] = False,
) -> None:
    """Verify an exported log: nothing altered, nothing missing, and with --key all of it signed by that door."""
    try:
        verdict = verify(_with_progress(file), _door_key(key) if key else None)
    except OSError as error:
        raise _unreadable(f"{error.filename}: {error.strerror}") from None
    except Refused as refused:
        raise _unreadable(str(refused)) from None
    intact = verdict.damage is None
    if as_json:
        typer.echo(canonical({"file": str(file), "intact": intact, **asdict(verdict)}))
    else:
        for sentence in _sentences(verdict):
            typer.echo(sentence)
    raise typer.Exit(0 if intact else DAMAGED)


@app.command("export")
def export_log(
    hub: Annotated[Path, typer.Option(help="the hub's folder")],
    door: Annotated[str, typer.Option(help="the door's id")],
    out: Annotated[Path, typer.Option(help="the file to write")],
    log: Annotated[str | None, typer.Option(help="which log, where a door has several")] = None,
) -> None:
    """Write the whole log of a door, as far as the hub holds it, as a file that proves itself."""
    # The database is loaded here and not above: verifying a file on an auditor's machine does without it.
    from sync.hub.database import open_database
    from sync.hub.log_store import LogStore
    from sync.hub.settings import read_settings

    try:
        store = LogStore(open_database(read_settings(hub).database))
        chosen = log or _only_log(store.logs(door), door)
        written = out.with_name(f".{out.name}.new")
        with written.open("wb") as file:
            file.writelines(export(store, door, chosen))
            file.flush()
            os.fsync(file.fileno())
        written.replace(out)
    except OSError as error:
        raise _unreadable(f"{error.filename}: {error.strerror}") from None
    except Refused as refused:
        raise _unreadable(str(refused)) from None
    typer.echo(f"{out}: log {chosen} of {door}")


def _only_log(logs: Collection[str], door: str) -> str:
    if not logs:
        raise Refused("no_log", door, "the hub holds no log of this door")
    if len(logs) > 1:
        raise Refused("which_log", door, f"there are several logs, choose one with --log: {', '.join(sorted(logs))}")
    return next(iter(logs))


def _door_key(path: Path) -> VerifyKey:
    return load_public(parse_object(path.read_bytes(), str(path)), str(path))


def _with_progress(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    with path.open("rb") as file, Progress(console=_screen, transient=True, disable=size < PROGRESS_BYTES) as progress:
        task = progress.add_task(f"verifying {path.name}", total=size)
        for line in read_lines(file):
            yield line
            progress.advance(task, len(line))


def _unreadable(sentence: str) -> typer.Exit:
    typer.echo(sentence, err=True)
    return typer.Exit(UNREADABLE)


def _sentences(verdict: Verdict) -> Iterator[str]:
    if verdict.damage:
        yield f"DAMAGED: {_place(verdict.damage)}: {verdict.damage.text}"
        yield f"{verdict.records} records before that are in order."
    else:
        numbers = f"{verdict.records} records, {verdict.first} to {verdict.last}"
        yield f"intact: {numbers}, log {verdict.log} of {verdict.door}"
        if verdict.redacted:
            yield f"{verdict.redacted} of them name somebody without saying whom (erased or redacted)."
    if not verdict.signatures_checked:
        yield "Signatures were NOT checked (no --key): whoever made this file could have made all of it up."


def _place(damage: Damage) -> str:
    if damage.first is None:
        return f"{damage.kind} (line {damage.line})"
    if damage.first == damage.last:
        return f"{damage.kind} at number {damage.first} (line {damage.line})"
    return f"{damage.kind} within numbers {damage.first} to {damage.last} (line {damage.line})"
