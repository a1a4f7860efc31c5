"""`python -m tests.fuzz ENTRANCE --n N`: see README.md."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from importlib import import_module
from time import monotonic

from rich.console import Console
from rich.progress import Progress

from tests.fuzz.outcome import Found

ENTRANCES = ("lists", "qr", "images", "empty", "socket", "serial")


def main() -> int:
    """Exit status 1: something crashed or opened; it says which input, and the seed that repeats it."""
    parser = argparse.ArgumentParser(prog="./run fuzz", description="Nonsense at an entrance: 0 crashes, 0 grants.")
    parser.add_argument("entrance", choices=ENTRANCES)
    parser.add_argument("--n", type=int, default=10_000, help="how many inputs")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32), help="repeats a run")
    given = parser.parse_args()
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # its remarks about bent files would come between ours
    console, began_s = Console(), monotonic()
    try:
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task(given.entrance, total=given.n)
            fuzz = import_module(f"tests.fuzz.{given.entrance}").fuzz
            outcome = fuzz(given.n, given.seed, lambda done: progress.update(task, completed=done))
    except Found as found:
        console.print(f"{given.entrance} --seed {given.seed}: {found}", markup=False)
        return 1
    console.print(f"{given.entrance} --seed {given.seed}: {outcome.inputs} inputs in {monotonic() - began_s:.1f} s")
    for answer, times in outcome.answers.most_common():
        console.print(f"  {times:>9}  {answer}", highlight=False)
    console.print("0 crashes, 0 grants")
    return 0


if __name__ == "__main__":
    sys.exit(main())
