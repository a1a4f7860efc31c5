"""`zaalsleutel doctor`: is this unit fit for service, and if not, what is the one thing to do next?

    zaalsleutel doctor --config /etc/zaalsleutel/door.toml
    zaalsleutel doctor --config /etc/zaalsleutel/door.toml --press --json
    zaalsleutel doctor --config /etc/zaalsleutel/door.toml --report          # and the hub shows it

Works beside the running unit and without one. Exit status 0: all green; 1: something amber; 2: something red.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from time import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from controller.admin_client import Admin, ask_status, watch
from controller.checks.finding import ORDER, Finding, colours, green, red, worst
from controller.checks.machine import machine
from controller.checks.running import running
from controller.checks.sight import sight
from controller.checks.storage import storage
from controller.checks.wiring import wiring
from controller.config import Config, load
from controller.formats.errors import Refused
from controller.formats.messages import Status

app = typer.Typer(add_completion=False, help="Is this unit fit for service? Red, amber, green, and what to do next.")

PRESS_S = 20.0
SIGNS = {"green": "● green", "amber": "▲ amber", "red": "■ red"}


@app.command()
def doctor(
    config: Annotated[Path, typer.Option(help="The unit's TOML file.")] = Path("/etc/zaalsleutel/door.toml"),
    agent: Annotated[Path | None, typer.Option(help="The agent's; default: agent.toml beside it, if any.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="A copy of the agent's, where its folder is closed.")] = None,
    press: Annotated[bool, typer.Option("--press", help="Ask for a key press and wait for it.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Tell the unit, which tells the hub.")] = False,
    look: Annotated[bool, typer.Option(help="Look through the camera.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    root: Annotated[Path, typer.Option(hidden=True, help="Where /sys, /proc and /etc are.")] = Path("/"),
) -> None:
    """Check wiring, machine, storage, the running unit and the camera; tell what to do first."""
    findings = _examine(config, agent, root, press, look, certificate)
    colour = worst(findings)
    if report:
        findings = [*findings, *_reported(config, findings)]
    if as_json:
        print(json.dumps({"colour": colour, "findings": [asdict(finding) for finding in findings]}))
    else:
        _print(findings)
    raise typer.Exit(ORDER.index(colour))


def _examine(
    path: Path, agent: Path | None, root: Path, press: bool, look: bool, certificate: Path | None
) -> list[Finding]:
    try:
        config = load(path)
        # The rest speaks about parts, so each must be understood first.
        config.check()
    except Refused as refused:
        return [red("wiring", f"{refused.where}: {refused.text}", "correct the unit file and check again")]
    beside = path.parent / "agent.toml"
    agent = agent or (beside if beside.exists() else None)
    status = _status(config)
    now_s = status.at // 1000 if status else int(time())
    findings = [
        *wiring(config),
        *machine(config, root),
        *storage(config, agent, root, now_s, certificate),
        *running(config, status),
    ]
    if press:
        findings += _pressed(config)
    if look:
        findings += sight(config)
    return findings


def _status(config: Config) -> Status | None:
    try:
        return ask_status(config.sockets)
    except (OSError, Refused):
        return None


def _pressed(config: Config) -> Iterator[Finding]:
    """Whether a key that is pressed now reaches the door. The controller has the keypads; it shows how many digits it
    has heard, and not which."""
    print(f"Please press 5 and then * at the keypad, within {PRESS_S:.0f} s.", file=sys.stderr)
    heard_before: int | None = None
    try:
        for state in watch(config.sockets, PRESS_S):
            if heard_before is not None and state.digits > heard_before:
                yield green("key press", "the door heard it")
                return
            heard_before = state.digits
    except (OSError, Refused) as error:
        yield red("key press", f"the door does not tell: {error}", "start the controller first")
        return
    yield red("key press", "the door heard nothing", "look at the keypad's wires and its section in the unit file")


def _reported(path: Path, findings: list[Finding]) -> Iterator[Finding]:
    """Hand the colours to the unit; its next signed state report carries them. A finding only where that failed."""
    try:
        with Admin(load(path).sockets) as unit:
            unit.report(colours(findings))
    except (OSError, Refused) as error:
        yield red("report", f"the unit does not take it: {error}", "start the controller first")


def _print(findings: list[Finding]) -> None:
    table = Table("", "check", "what is so", "what to do", title="Is this unit fit for service?")
    for finding in sorted(findings, key=lambda finding: -ORDER.index(finding.colour)):
        table.add_row(SIGNS[finding.colour], finding.check, finding.fact, finding.do)
    console = Console()
    console.print(table)
    first = next((finding for colour in ("red", "amber") for finding in findings if finding.colour == colour), None)
    console.print("Nothing to do." if first is None else f"First: {first.check}: {first.do}", style="bold")
