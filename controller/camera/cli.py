"""`zaalsleutel camera run`, the camera process, and `zaalsleutel qr read`, its reader on image files.

zaalsleutel camera run --config door.toml
zaalsleutel qr read *.png --json

OpenCV takes a quarter of a second to load, so it is loaded by the command that needs it and not by `--help`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from controller.formats.errors import Refused

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The process that reads QR codes at the door.")
qr_app = typer.Typer(add_completion=False, no_args_is_help=True, help="Read QR codes from image files.")

PICTURE_PX_MAX = 1 << 27  # 128 million: any photograph, and no bomb of a few kilobytes


@app.callback()
@qr_app.callback()
def _room() -> None:
    # A callback keeps the command's name in the command line where a room has one command only.
    pass


@app.command()
def run(
    config: Annotated[Path, typer.Option(help="The unit's configuration; [door] sockets and [camera] count.")],
    inside: Annotated[bool, typer.Option("--inside", help="The camera on the inner side: [camera_inside].")] = False,
) -> None:
    """Look through the camera and tell the controller what it reads, until SIGTERM."""
    from controller.camera.config import CAMERA, INSIDE, load
    from controller.camera.process import Watch

    try:
        watch = Watch(load(config, INSIDE if inside else CAMERA))
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        raise typer.Exit(1) from None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: watch.stop())
    watch.run()


@qr_app.command()
def read(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Image files.")],
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line for each image.")] = False,
) -> None:
    """Read every QR code in each image; `ms` is what the reading took. Exit status 1 if an image cannot be opened."""
    complete = True
    answers = []
    for answer in _read_all(images):
        complete &= "error" not in answer
        if as_json:
            print(json.dumps(answer), flush=True)
        else:
            answers.append(answer)
    if not as_json:
        Console().print(_table(answers))
    if not complete:
        raise typer.Exit(1)


def _read_all(images: Iterable[Path]) -> Iterator[dict[str, Any]]:
    # OpenCV looks when it is loaded.
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(PICTURE_PX_MAX))
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    from controller.camera import picture_file, reader

    for image in images:
        try:
            with _silent_libraries():
                frame = picture_file.load(image)
        except Refused as refusal:
            yield {"image": str(image), "texts": [], "ms": 0, "error": refusal.text}
            continue
        started_s = perf_counter()
        texts = reader.read(frame)
        yield {"image": str(image), "texts": texts, "ms": round((perf_counter() - started_s) * 1000, 1)}


@contextmanager
def _silent_libraries() -> Iterator[None]:
    """OpenCV and the libraries below it write remarks about a damaged file to descriptor 2; what is wrong with it is in
    our answer."""
    if sys.stderr is None:
        yield
        return
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _table(answers: Iterable[dict[str, Any]]) -> Table:
    table = Table(Column("image", overflow="fold"), Column("texts", overflow="fold"), Column("ms", justify="right"))
    for answer in answers:
        said = answer["error"] if "error" in answer else "\n".join(map(_shown, answer["texts"])) or "–"
        table.add_row(Text(_shown(answer["image"])), Text(said), str(answer["ms"]))
    return table


def _shown(text: str) -> str:
    """A text from outside for a terminal: what does not print is written as an escape."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
