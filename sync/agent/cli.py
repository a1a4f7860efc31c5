"""`zaalsleutel agent`: the door's end of the link."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from typing import Annotated

import typer

from controller.formats.errors import Refused
from sync.agent.config import read_config
from sync.agent.runner import Runner

BAD_CONFIG = 2

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The door's end of the link.")


@app.callback()
def _rooms() -> None:
    """The door's end of the link."""


@app.command()
def run(config: Annotated[Path, typer.Option(help="the agent's TOML file")]) -> None:
    """Run the agent until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        runner = Runner(read_config(config))
    except Refused as refused:
        typer.echo(str(refused), err=True)
        raise typer.Exit(BAD_CONFIG) from None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: runner.stop())
    runner.run()
