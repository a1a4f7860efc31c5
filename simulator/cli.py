"""`zaalsleutel sim`: start the demo, and be the people at its door.

Every command but `demo` works on a demo that runs, found by itself or with `--directory`. Exit status: 0 done, 1 no
demo or refused (one sentence says which), 2 the command line itself is wrong. `--json` answers in one line of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from controller import status_cli
from controller.formats.errors import Refused
from simulator import cheat_sheet
from simulator.control import HardwareClient, HardwareRefused
from simulator.door_client import DoorClient
from simulator.fleet_cli import fleet
from simulator.hub_client import HubClient, HubRefused, booking, code
from simulator.soak_cli import soak
from simulator.whereabouts import NoDemo, Whereabouts, find
from simulator.world_cli import WITHOUT_DEMO, register

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The demo, the people at its door, whole worlds.")
register(app)
app.command(rich_help_panel=WITHOUT_DEMO)(soak)
app.command(rich_help_panel=WITHOUT_DEMO)(fleet)
console = Console()

Directory = Annotated[Path | None, typer.Option(help="The demo's folder, where several run.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]

KEYS = frozenset("0123456789*#")
QR_PX = 8
HASH_DIGITS, HASH_SHOWN = 64, 8
MINUTE_S = 60


@contextmanager
def _running(directory: Path | None) -> Iterator[Whereabouts]:
    """The running demo; what is refused becomes one sentence and exit status 1."""
    try:
        yield find(directory)
    except (NoDemo, HardwareRefused, HubRefused, Refused, OSError) as error:
        typer.echo(f"zaalsleutel sim: {error}", err=True)
        raise typer.Exit(1) from None


def _at_door(directory: Path | None, as_json: bool, act: Callable[[HardwareClient], str], /) -> None:
    """Do something at the virtual door and say what came of it."""
    with _running(directory) as here, HardwareClient(here.control_socket) as hardware:
        result = act(hardware)
    typer.echo(json.dumps({"result": result}) if as_json else result)


def _hub(here: Whereabouts) -> HubClient:
    return HubClient("127.0.0.1", here.hub_port, here.token)


@app.command()
def demo(
    story: Annotated[bool, typer.Option("--story", help="Play the story, print it as a table, end.")] = False,
    keep: Annotated[Path | None, typer.Option(help="Leave log, list and keys in this folder.")] = None,
    directory: Annotated[
        Path | None, typer.Option(help="Work here and leave everything; a demo started here again goes on from it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start a broker, a hub and a door on virtual hardware; run until Ctrl-C."""
    from simulator.demo_cli import run_demo  # late: it loads far more than a command that types a PIN needs

    raise typer.Exit(run_demo(story=story, keep=keep, directory=directory, as_json=as_json))


# --- people at the door


@app.command()
def keys(
    keys: Annotated[str, typer.Argument(metavar="KEYS", help="0-9 * #; * clears what was typed before.")],
    interval: Annotated[float, typer.Option(min=0, help="Seconds between two keys.")] = 0.1,
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Type on the keypad."""
    if not set(keys) <= KEYS:
        raise typer.BadParameter("a keypad has the keys 0-9 * #", param_hint="KEYS")

    def act(hardware: HardwareClient) -> str:
        hardware.keys(keys, interval)
        return "typed"

    _at_door(directory, as_json, act)


@app.command()
def show(
    image: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A picture, of a QR code for example.")],
    seconds: Annotated[float, typer.Option(min=0, help="How long.")] = 2.0,
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Hold a picture up to the camera."""

    def act(hardware: HardwareClient) -> str:
        hardware.show(image, seconds)
        return f"held up for {seconds:g} s"

    _at_door(directory, as_json, act)


@app.command()
def push(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to lean on the leaf.")] = 0.0,
    force: Annotated[bool, typer.Option("--force", help="Break in.")] = False,
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Push the leaf from outside: opened, locked, forced or open already."""
    _at_door(directory, as_json, lambda hardware: hardware.push(wait_s=wait, force=force))


@app.command()
def close(directory: Directory = None, as_json: AsJson = False) -> None:
    """Let the leaf fall shut."""

    def act(hardware: HardwareClient) -> str:
        hardware.close_leaf()
        return "closed"

    _at_door(directory, as_json, act)


@app.command()
def inside(directory: Directory = None, as_json: AsJson = False) -> None:
    """Use the handle inside: it opens always."""

    def act(hardware: HardwareClient) -> str:
        hardware.pull_inside()
        return "opened"

    _at_door(directory, as_json, act)


@app.command("exit-button")
def exit_button(directory: Directory = None, as_json: AsJson = False) -> None:
    """Press the exit button; the next opening is an OUT."""

    def act(hardware: HardwareClient) -> str:
        hardware.exit_button()
        return "pressed"

    _at_door(directory, as_json, act)


@app.command()
def cut(
    silent: Annotated[bool, typer.Option("--silent", help="Nobody is told, as with a dead router.")] = False,
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Cut the network cable between door and broker."""

    def act(hardware: HardwareClient) -> str:
        hardware.cut(silent=silent)
        return "cut"

    _at_door(directory, as_json, act)


@app.command()
def mend(directory: Directory = None, as_json: AsJson = False) -> None:
    """Mend the network cable."""

    def act(hardware: HardwareClient) -> str:
        hardware.mend()
        return "whole"

    _at_door(directory, as_json, act)


# --- what can be seen


@app.command()
def state(directory: Directory = None, as_json: AsJson = False) -> None:
    """The virtual hardware as seen from outside."""
    with _running(directory) as here, HardwareClient(here.control_socket) as hardware:
        seen = hardware.state()
    seen["pulses"] = seen["pulses"] if as_json else len(seen["pulses"])
    _print_fields(seen, as_json)


@app.command()
def status(directory: Directory = None, as_json: AsJson = False) -> None:
    """How the door is, by its own word."""
    with _running(directory) as here:
        if as_json:
            typer.echo(json.dumps(msgspec.structs.asdict(DoorClient(Path(here.sockets)).status())))
        else:
            console.print(status_cli.once(Path(here.sockets)))


@app.command()
def events(
    last: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 20,
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """What the hub knows of the door."""
    with _running(directory) as here:
        newest = _hub(here).events()[-last:]
    if as_json:
        typer.echo(json.dumps(newest))
        return
    whole = [Column(name, no_wrap=True) for name in ("time (UTC)", "what")]
    table = Table(*whole, *(Column(name, overflow="fold") for name in ("reservation", "reason", "more")))
    for event in newest:
        more = {name: _short(value) for name, value in event["detail"].items()}
        time_of_day = event["time"][5:19].replace("T", " ")
        cells = (time_of_day, event["type"], event["reservation"], event["reason"], _text(more))
        table.add_row(*(Text(cell or "") for cell in cells))
    console.print(table)


# --- reservations


@app.command()
def reserve(
    ref: Annotated[str | None, typer.Option(help="The reservation's number; default: one from the time.")] = None,
    minutes: Annotated[int, typer.Option(min=1, help="How long.")] = 60,
    start_in: Annotated[int, typer.Option(min=0, help="Minutes from now.")] = 0,
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Make a reservation through the hub's API; prints PIN and QR, saves the QR as a picture."""
    import segno

    now_s = int(time())
    ref = ref or f"demo-{now_s}"
    start_s = now_s + start_in * MINUTE_S
    with _running(directory) as here:
        body = booking(1, "active", here.room, start_s, start_s + minutes * MINUTE_S)
        try:
            answer = _hub(here).put(ref, body)
        except HubRefused as refused:
            told = f"{refused}; `{cheat_sheet.sim()} cancel REF` makes room, `--start-in MINUTES` starts later"
            raise HubRefused(told if str(refused).startswith("overlap") else str(refused)) from None
        pin, qr = code(answer, "pin"), segno.make(code(answer, "qr"), error="m")
        picture = Path(here.directory) / f"{ref}.png"
        qr.save(str(picture), scale=QR_PX)
    if as_json:
        typer.echo(json.dumps({"ref": ref, "pin": pin, "qr": code(answer, "qr"), "picture": str(picture), **answer}))
        return
    for opening in answer["openings"]:
        typer.echo(f"{ref}: {opening['door']} opens from {opening['from']} until {opening['until']}")
    qr.terminal(compact=True)
    typer.echo(f"PIN {pin}\nQR  {picture}\n")
    sim = cheat_sheet.sim()
    typer.echo(f"{sim} keys {pin} && {sim} push --wait 5 && {sim} close")
    typer.echo(f"{sim} show {picture} && {sim} push --wait 5 && {sim} close")


@app.command()
def cancel(
    ref: Annotated[str, typer.Argument(help="The reservation's number.")],
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a reservation; its codes are refused as soon as the door has the list."""
    with _running(directory) as here:
        hub = _hub(here)
        now_s = int(time())
        body = booking(hub.get(ref)["revision"] + 1, "cancelled", here.room, now_s, now_s + MINUTE_S)
        answer = hub.put(ref, body)
    typer.echo(json.dumps(answer) if as_json else f"{ref}: {answer['state']}")


def _print_fields(fields: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(fields))
        return
    table = Table(show_header=False)
    for name, value in fields.items():
        table.add_row(name.replace("_", " "), Text(_text(value)))
    console.print(table)


def _short(value: Any) -> Any:
    """A hash says enough with its first digits."""
    return f"{value[:HASH_SHOWN]}…" if isinstance(value, str) and len(value) == HASH_DIGITS else value


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    if value is None:
        return "–"
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)
