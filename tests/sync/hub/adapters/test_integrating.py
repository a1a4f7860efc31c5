"""docs/integrating.md, played from top to bottom against a real hub: `hub serve` on loopback, SQLite, no broker."""

import os
import re
import shutil
import signal
import subprocess
import sys
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from simulator.ports import free_port

ROOT = Path(__file__).parents[4]
TEXT = (ROOT / "docs" / "integrating.md").read_text("utf-8")
EXAMPLES = ROOT / "docs" / "examples"
BLOCKS = re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
FILES = {name: text for _, name, text in BLOCKS if name}

# The hub stops with the script, however that ends.
PRELUDE = """\
set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
"""
PROGRAMS = {"zaalsleutel": f'exec "{sys.executable}" -m zaalsleutel "$@"', "python3": f'exec "{sys.executable}" "$@"'}


def test_every_file_of_the_text_is_an_example_and_the_other_way_round():
    found = {path.name: path.read_text("utf-8") for path in EXAMPLES.iterdir() if path.name != "README.md"}
    assert found == FILES


def test_every_block_is_run_or_a_file():
    assert {language for language, name, _ in BLOCKS if not name} == {"sh"}


@pytest.mark.e2e
def test_the_whole_text_works(tmp_path):
    missing = [program for program in ("curl", "bash") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    port = free_port()
    for name, text in FILES.items():
        (tmp_path / name).write_text(current(text), "utf-8")
    script = PRELUDE + "".join(text for language, name, text in BLOCKS if language == "sh" and not name)
    script = current(script).replace("8080", str(port))
    # What hub init writes names the usual port; this machine may be using it.
    script = script.replace("zaalsleutel hub apply", f"sed -i s/8080/{port}/ hub/hub.toml\nzaalsleutel hub apply", 1)
    if shutil.which("php") is None:
        script = script.replace("php book.php", "true")
    said = played(script, tmp_path)
    assert re.search(r'"pin":"\d{6,8}"', said)
    assert re.search(r"Feestzaal: \d\d/\d\d/\d{4} 14:00-18:00\. Votre code: [\d ]{7,9}", said)
    assert re.search(r"PIN \d{6,8}\n", said)
    assert '"state":"cancelled"' in said
    assert re.search(r"row 4\b.*refused", said)
    assert "17~40planner.example" in said
    assert '"result":"unchanged"' in said
    assert re.search(r'"handovers":\[{"channel":"mail","at":"[^"]*Z","ok":true}\]', said)
    assert "handed over mail" in said
    assert (tmp_path / "qr.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "sheet.pdf").read_bytes().startswith(b"%PDF")
    booked_by_php = 0 if shutil.which("php") is None else 1
    assert (tmp_path / "staff.ics").read_text().count("BEGIN:VEVENT") == 11 + booked_by_php
    if not booked_by_php:
        pytest.skip("everything but the PHP example ran: php-cli is not installed")
    assert re.search(r"overlap: .*PHP-1", said)


def played(script: str, folder: Path) -> str:
    """What a script says that has to succeed."""
    programs = folder / "bin"
    programs.mkdir()
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "200",
    }
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the script and the hub it started
        said, _ = process.communicate()
        pytest.fail(f"still running:\n{said}")
    assert process.returncode == 0, said
    return said


def current(text: str) -> str:
    """The text with its July of 2027 in the near future, so that it does not grow old; 14:00 stays 14:00 there."""
    first = date.today() + timedelta(days=30)  # noqa: DTZ011  # any day will do
    for written in (date(2027, 7, day) for day in range(1, 24)):
        day = first + timedelta(days=written.day)
        offset = datetime.combine(day, time(12), ZoneInfo("Europe/Brussels")).isoformat()[-6:]
        text = re.sub(rf"{written}T(\d\d:\d\d:00)\+02:00", rf"{day}T\g<1>{offset}", text)
        for form in ("%Y-%m-%d", "%d/%m/%Y", "%Y%m%d"):
            text = text.replace(written.strftime(form), day.strftime(form))
    return text
