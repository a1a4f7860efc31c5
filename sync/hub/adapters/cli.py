"""`zaalsleutel hub import …` and `zaalsleutel hub adapters …`: files in, feeds polled, calendars and documents out.

Exit status: 0 done, 1 when the file, a row, an event or a feed was refused, 2 when the file cannot be read. A report
names each item.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from controller.formats.code_list import Language
from controller.formats.errors import Refused
from sync.hub.adapters.entry import kind_of, one_of
from sync.hub.adapters.ical_feed import Plan
from sync.hub.adapters.intake import Outcome
from sync.hub.adapters.oslo_rooms import draft, read_rooms
from sync.hub.adapters.polling import Poller
from sync.hub.adapters.settings import read_adapters
from sync.hub.adapters.switchboard import Format, Switchboard
from sync.hub.artefacts.house_rules import read_house_rules
from sync.hub.cli_app import Hub, open_hub, refusals, show
from sync.hub.store.models import Client

import_app = typer.Typer(no_args_is_help=True, help="Take reservations from a file.")
adapters_app = typer.Typer(no_args_is_help=True, help="Systems that do not call the API themselves.")

HubFolder = Annotated[Path, typer.Option("--hub", envvar="ZS_HUB", help="The hub folder.")]
ClientName = Annotated[str, typer.Option("--client", help="A client of town.toml, whose reservations these are.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
File = Annotated[Path, typer.Argument(help="The file to take in.")]
Out = Annotated[Path | None, typer.Option(help="File to write; standard output without.")]
HERE = Path()
COLUMNS = ["where", "ref", "result", "code", "text"]
LOOK_S = 5.0
"""How often `run` looks whether a feed is due."""


@import_app.command("csv")
def import_csv(file: File, client: ClientName, hub: HubFolder = HERE, as_json: AsJson = False) -> None:
    """A table of reservations: ref;room;date;start;end, and more columns (docs/integrating.md)."""
    _import("csv", file, client, hub, as_json=as_json)


@import_app.command("ics")
def import_ics(
    file: File,
    client: ClientName,
    kind: Annotated[str, typer.Option(help="What kind of grants these are.")] = "renter",
    per_attendee: Annotated[bool, typer.Option("--per-attendee", help="A code for each attendee.")] = False,
    ahead_days: Annotated[int, typer.Option(min=1, max=365, help="How far series are taken over.")] = 365,
    hub: HubFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """An iCalendar file: UID is the ref, LOCATION the room, SEQUENCE the version."""
    with refusals():
        plan = Plan(kind_of(kind), ahead_days, per_attendee)
    _import("ics", file, client, hub, as_json=as_json, plan=plan)


@import_app.command("oslo")
def import_oslo(
    file: File,
    client: ClientName,
    base: Annotated[str, typer.Option(help="Put before the name of a blank node.")] = "",
    hub: HubFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """A document in the terms of OSLO Zaalreservatie (docs/oslo.md)."""
    _import("oslo", file, client, hub, as_json=as_json, base=base)


@adapters_app.command()
def run(
    hub: HubFolder = HERE,
    once: Annotated[bool, typer.Option("--once", help="Look at each feed once, then end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Poll the feeds of adapters.toml until interrupted. Lists are published by `hub serve`."""
    with refusals():
        pollers = _board(hub).pollers
        if once:
            failed = [_report_poll(poller, as_json=as_json) for poller in pollers]
            raise typer.Exit(int(any(failed)))
        if not pollers:
            raise Refused("bad_adapters", "adapters.toml", "names no feed to poll")
        due = dict.fromkeys(range(len(pollers)), 0.0)
        while True:
            for index, poller in enumerate(pollers):
                if time.monotonic() >= due[index]:
                    _report_poll(poller, as_json=as_json)
                    due[index] = time.monotonic() + 60 * poller.plan.every_min
            time.sleep(LOOK_S)


@adapters_app.command()
def calendar(
    client: ClientName,
    out: Out = None,
    days: Annotated[int, typer.Option(min=1, max=365, help="How far ahead.")] = 60,
    language: Annotated[str, typer.Option(help="nl, fr, de or en.")] = "nl",
    hub: HubFolder = HERE,
) -> None:
    """Write the staff calendar: when rooms are taken, without codes and without holders."""
    from sync.hub.adapters import routes

    with refusals():
        told = cast(Language, one_of(language, ("nl", "fr", "de", "en"), "--language"))
        opened = open_hub(hub)
        caller = _client(opened, client)
        name = read_house_rules(hub).name
        _write(routes.calendar(opened.sessions, caller, name, _now_s(), days, told), out)


@adapters_app.command()
def oslo(
    client: ClientName,
    base: Annotated[str, typer.Option(help="Put before refs and holders, to make addresses of them.")],
    out: Out = None,
    hub: HubFolder = HERE,
) -> None:
    """Write a client's reservations in the terms of OSLO Zaalreservatie."""
    with refusals():
        document = _board(hub, client).document(client, base)
        _write(json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n", out)


@adapters_app.command()
def rooms(
    file: File,
    base: Annotated[str, typer.Option(help="Put before the name of a blank node.")] = "",
) -> None:
    """Draft the rooms of town.toml from an OSLO document; doors are still to be filled in."""
    with refusals():
        typer.echo(draft(read_rooms(file.read_bytes(), base)), nl=False)


def _import(form: Format, file: Path, client: str, hub: Path, *, as_json: bool, **how: Any) -> None:
    with refusals():
        outcomes = _board(hub, client).upload(form, client, file.read_bytes(), _now_s(), **how)
    _report(outcomes, as_json=as_json)
    raise typer.Exit(int(any(each.result == "refused" for each in outcomes)))


def _board(hub: Path, client: str | None = None) -> Switchboard:
    """The adapters of a hub folder, after a look whether `client` is one of its clients. Raises Refused."""
    opened = open_hub(hub)
    if client is not None:
        _client(opened, client)
    return Switchboard(opened.service, opened.sessions, read_adapters(hub))


def _client(opened: Hub, name: str) -> Client:
    with opened.sessions.begin() as session:
        client = session.get(Client, name)
    if client is None:
        raise Refused("not_found", "--client", f"town.toml names no client {name}")
    return client


def _report_poll(poller: Poller, *, as_json: bool) -> bool:
    """Show what a look at a feed brought, what changed nothing left out. Returns whether something was refused."""
    poll = poller.poll(_now_s())
    if poll.failure is not None:
        typer.echo(f"zaalsleutel hub: feed {poll.feed}: {poll.failure}", err=True)
        return True
    told = [each for each in poll.outcomes if each.result not in ("unchanged", "over")]
    if told:
        _report(told, as_json=as_json)
    return any(each.result == "refused" for each in told)


def _report(outcomes: Iterable[Outcome], *, as_json: bool) -> None:
    show([asdict(each) for each in outcomes], COLUMNS, as_json=as_json, empty="nothing in it")


def _write(content: bytes, out: Path | None) -> None:
    if out is None:
        typer.echo(content.decode(), nl=False)
    else:
        out.write_bytes(content)


def _now_s() -> int:
    return int(datetime.now(UTC).timestamp())
