"""`zaalsleutel door …`: run a unit, look at it, explain its decisions."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import track

from controller.formats import jwe
from controller.formats.code_list import TYP as LIST_TYP
from controller.formats.code_list import Id
from controller.formats.encoding import parse_object
from controller.formats.errors import Refused, unusable
from controller.formats.jwk import load_public
from controller.formats.limits import LIMITS
from controller.formats.trust_step import open_first

app = typer.Typer(
    add_completion=False, help="Run a door unit, look at it, explain its decisions.", no_args_is_help=True
)

NOT_ACCEPTABLE = 3
STORAGE_FAULTS = frozenset({"disk", "log_degraded"})
SOCKETS = Path("/run/zaalsleutel")  # where an installed unit has them
ConfigFile = Annotated[Path, typer.Option("--config", help="The unit's TOML file.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines: one JSON value a line.")]


def _fail(error: Exception, code: int = 1) -> typer.Exit:
    print(error, file=sys.stderr)
    return typer.Exit(code)


def _no_answer(sockets: Path, error: OSError) -> typer.Exit:
    why = error.strerror or error
    return _fail(Refused("no_answer", str(sockets / "admin.sock"), f"the unit does not answer: {why}"))


@app.command()
def run(config: ConfigFile) -> None:
    """Run the controller until SIGTERM. Exit 1: it could not start, and says why."""
    from controller import service

    raise typer.Exit(service.run(config))


@app.command()
def init(config: ConfigFile, as_json: AsJson = False) -> None:
    """Make the unit's data folder and its two keys; print their public halves for the hub."""
    from controller.config import load
    from controller.own_keys import decrypt_key, event_key

    try:
        unit = load(config)
        unit.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        unit.sockets.mkdir(parents=True, exist_ok=True)
        public = event_key(unit.data).verify_key
        reader = decrypt_key(unit.data).encrypt_key
    except (Refused, OSError) as error:
        raise _fail(error) from None
    print(json.dumps({"event_key": public.jwk(), "encrypt_key": reader.jwk()}))
    if not as_json:
        print(f"door {unit.door.id}: give these keys to the hub (thumbprint {public.thumbprint})", file=sys.stderr)


@app.command()
def check(config: ConfigFile) -> None:
    """Check a configuration file without opening anything. Exit 1 names the first mistake."""
    from controller.config import load

    try:
        load(config).check()
    except Refused as error:
        raise _fail(error) from None
    print("ok")


@app.command()
def secure(config: ConfigFile) -> None:
    """Drive the lock relay off, for when the controller is gone (`ExecStopPost`)."""
    from controller import service

    raise typer.Exit(service.secure(config))


@app.command()
def status(
    config: ConfigFile,
    watch: Annotated[bool, typer.Option("--watch", help="Live, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """How the running unit is, on one screen. Exit 1 when it does not answer."""
    from controller import status_cli
    from controller.admin_client import ask_status
    from controller.config import load
    from controller.formats.messages import Status

    def say(status: Status) -> None:
        print(json.dumps({name: getattr(status, name) for name in status.__struct_fields__}), flush=True)

    console = Console()
    try:
        sockets = load(config).sockets
    except Refused as error:
        raise _fail(error) from None
    try:
        if watch and as_json:
            status_cli.stream(sockets, say)
        elif watch:
            status_cli.live(sockets, console)
        elif as_json:
            say(ask_status(sockets))
        else:
            console.print(status_cli.once(sockets))
    except KeyboardInterrupt:
        return
    except Refused as error:
        raise _fail(error) from None
    except OSError as error:
        raise _no_answer(sockets, error) from None


@app.command()
def commission(
    config: ConfigFile,
    language: Annotated[str, typer.Option(help="nl, fr, de or en.")] = "nl",
) -> None:
    """Bring the running unit into service, step by step; `stop` ends it. Exit 0: passed; 1: not.

    Answers are typed as at a keypad: 1 yes, 3 no, 2 does not apply, 0 let the lock click, * does not work."""
    from controller import commission_cli
    from controller.config import load
    from controller.display.catalogue import LANGUAGES

    spoken = next((each for each in LANGUAGES if each == language), None)
    if spoken is None:
        raise _fail(ValueError(f"no texts in {language!r}; there are: {', '.join(LANGUAGES)}"), 2)
    try:
        sockets = load(config).sockets
        with commission_cli.given_up(sockets):
            passed = commission_cli.commission(sockets, Console(), spoken, commission_cli.line_from_stdin)
    except Refused as error:
        raise _fail(error) from None
    except OSError as error:
        raise _no_answer(sockets, error) from None
    except (KeyboardInterrupt, EOFError):
        raise typer.Exit(1) from None
    raise typer.Exit(0 if passed else 1)


@app.command()
def explain(
    context: typer.Context,
    code_list: Annotated[Path | None, typer.Option("--list", help="A signed code list.")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="The list key as JWK, private or public.")] = None,
    trust: Annotated[Path | None, typer.Option("--trust", help="Or the signed trust document that names it.")] = None,
    decrypt_with: Annotated[
        Path | None, typer.Option("--decrypt-with", help="The door's private key, for a list encrypted to it.")
    ] = None,
    at: Annotated[str | None, typer.Option("--at", help="RFC 3339 instant, e.g. 2026-07-17T11:45:00Z.")] = None,
    pin: Annotated[str | None, typer.Option("--pin", help="A PIN as typed.")] = None,
    qr: Annotated[str | None, typer.Option("--qr", help="The text of a QR code.")] = None,
    batch: Annotated[
        Path | None, typer.Option("--batch", help='Cases, one JSON object a line: {"at", "pin" or "qr"}.')
    ] = None,
    grant: Annotated[
        str | None, typer.Option("--grant", help="Or ask the running unit, without effect, about this grant just now.")
    ] = None,
    sockets: Annotated[
        Path | None, typer.Option("--sockets", help=f"With --grant: the unit's [door] sockets, else {SOCKETS}.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What this list decides about a PIN or QR at an instant, and why; or the running unit about a grant.

    Exit 0 for granted and refused alike; 3 when the list or the trust document is not acceptable; 2 for a question that
    is none, a file that cannot be read or a key that is none."""
    from controller.explain import Case, Explainer, parse_case, utc_seconds

    files = (code_list, key, trust, decrypt_with, at, pin, qr, batch)
    if grant is not None:
        if any(each is not None for each in files):
            raise _refuse(Refused("bad_case", "", "give --grant with --sockets and --json only"), as_json, 2)
        _explain_live(grant, sockets or SOCKETS, as_json)
        return
    if code_list is None:
        context.fail("Missing option '--list'.")
    if sockets is not None:
        raise _refuse(Refused("bad_case", "", "give --sockets with --grant"), as_json, 2)
    single = pin is not None or qr is not None
    if (pin is not None and qr is not None) or single == (batch is not None) or single != (at is not None):
        raise _refuse(Refused("bad_case", "", "give --at with --pin or --qr, or --batch alone"), as_json, 2)
    if (key is None) == (trust is None):
        raise _refuse(Refused("bad_case", "", "give --key or --trust"), as_json, 2)
    try:
        envelope = _read(code_list)
        reader = None if decrypt_with is None else jwe.read_private(_read(decrypt_with), str(decrypt_with))
        verify_key = None if key is None else load_public(parse_object(_read(key), str(key)), str(key))
        signed_trust = None if trust is None else _read(trust)
    except Refused as refused:
        raise _refuse(refused, as_json, 2) from None
    except OSError as error:
        raise _refuse(unusable(error), as_json, 2) from None
    try:
        if reader is not None:
            text = envelope.decode("ascii", "replace")
            envelope = jwe.decrypt(text, LIST_TYP, reader, max_bytes=LIMITS.envelope_bytes)
        if signed_trust is not None:
            explainer = Explainer.trusting(envelope, open_first(signed_trust).trust)
        elif verify_key is not None:
            explainer = Explainer(envelope, {verify_key.thumbprint: verify_key})
    except Refused as refused:
        raise _refuse(refused, as_json, NOT_ACCEPTABLE) from None
    try:
        if batch is None:
            case = Case(utc_seconds(at, "--at"), pin, qr)
            _print_answer(explainer.explain(case), as_json)
            return
        lines = batch.read_bytes().splitlines()
        cases = [parse_case(parse_object(line, f"line {n}"), f"line {n}") for n, line in enumerate(lines, 1) if line]
    except Refused as refused:
        raise _refuse(refused, as_json, 2) from None
    except OSError as error:
        raise _refuse(unusable(error), as_json, 2) from None
    progress = Console(stderr=True)
    for case in track(cases, "explaining", console=progress, disable=not progress.is_terminal, transient=True):
        _print_answer(explainer.explain(case), as_json)


def _explain_live(grant: str, sockets: Path, as_json: bool) -> None:
    from controller.admin_client import Admin
    from controller.explain import answer

    # Looked at here, so that a slip of the pen is no refused message in the door's records.
    try:
        msgspec.convert(grant, Id)
    except (msgspec.ValidationError, UnicodeEncodeError):
        raise _refuse(Refused("bad_case", "--grant", "no grant id"), as_json, 2) from None
    try:
        with Admin(sockets) as unit:
            explained = unit.explain(grant)
            commissioned = unit.commission("look").guide is not None
            failing = STORAGE_FAULTS.intersection(unit.status().faults)
    except Refused as refused:
        raise _refuse(refused, as_json, 2) from None
    except OSError as error:
        why = f"the unit does not answer: {error.strerror or error}"
        raise _refuse(Refused("no_answer", str(sockets / "admin.sock"), why), as_json, 2) from None
    for each in explained.verdicts:
        told = answer(each.reason, explained.grant, each.opens_at)
        if as_json:
            print(json.dumps({**told, "credential": each.credential}))
        else:
            print(f"{each.credential or '-'}: ", end="")
            _print_answer(told, as_json)
    # Beside the verdicts, which are what the list says; these decide what comes of them.
    if commissioned:
        print("careful: it is being brought into service, and keys and codes answer that", file=sys.stderr)
    if failing:
        meant = "an entry is recorded in memory, or refused where the policy's `log_failure` wants that"
        print(f"careful: its storage fails ({', '.join(sorted(failing))}): {meant}", file=sys.stderr)


def _print_answer(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer))
        return
    opens_at = f", opens at {answer['opens_at']}" if "opens_at" in answer else ""
    print(f"{answer['verdict']}: {answer['reason']} (grant {answer['grant'] or '-'}){opens_at}")


def _refuse(refused: Refused, as_json: bool, code: int) -> typer.Exit:
    """One line on stderr, `place: sentence (code)`; with `--json` the same as an object on stdout."""
    if as_json:
        print(json.dumps({"refused": refused.code, "where": refused.where, "text": refused.text}))
    return _fail(refused, code)


def _read(path: Path) -> bytes:
    """A file; of one larger than any list or key as much as shows that."""
    with path.open("rb") as file:
        return file.read(LIMITS.sync_line_bytes + 1)
