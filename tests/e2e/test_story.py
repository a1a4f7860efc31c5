"""The story as anybody plays it, and what it leaves behind for an auditor."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

pytestmark = pytest.mark.e2e

COMMAND = (sys.executable, "-m", "zaalsleutel")
STORY_S = 240


def run(*arguments, **environment):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=STORY_S,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def played(short_folder):
    """(what the story told, the kept folder, the folder it worked in)."""
    kept, work = short_folder / "kept", short_folder / "work"
    work.mkdir()
    story = run("sim", "demo", "--story", "--json", "--keep", kept, TMPDIR=str(work))
    assert story.returncode == 0, story.stdout + story.stderr
    return json.loads(story.stdout), kept, work


def test_every_line_came_true(played):
    told, _, _ = played
    assert told["ok"] and len(told["lines"]) >= 10
    assert all(line["ok"] for line in told["lines"])


def test_nothing_is_left_behind(played, left_running):
    _, _, work = played
    assert left_running() == []
    assert list(work.iterdir()) == []


def test_the_kept_log_verifies_and_an_altered_one_does_not(played):
    _, kept, _ = played
    log, key = kept / "log.jsonl", kept / "door.pub.jwk"
    verdict = json.loads(run("audit", "verify", log, "--key", key, "--json").stdout)
    assert verdict["intact"] and verdict["signatures_checked"] and verdict["first"] == 1
    lines = log.read_bytes().splitlines(keepends=True)
    shorter = kept / "shorter.jsonl"
    shorter.write_bytes(b"".join(lines[: len(lines) // 2] + lines[len(lines) // 2 + 1 :]))
    assert run("audit", "verify", shorter, "--key", key).returncode == 1


def test_the_commands_of_the_kept_readme_do_what_it_says(played):
    told, kept, _ = played
    commands = [line.split() for line in (kept / "README.txt").read_text().splitlines() if line.startswith("    ")]
    assert [words[:3] for words in commands] == [
        ["zaalsleutel", "audit", "verify"],
        ["zaalsleutel", "list", "inspect"],
        ["zaalsleutel", "door", "explain"],
    ]
    for _, *words in commands:
        done = run(*(kept / word if (kept / word).exists() else word for word in words))
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    # The last about the PIN that the story shows, at the time the file names.
    pin = told["lines"][1]["happened"].split()[-1]
    asked = [kept / word if (kept / word).exists() else word for word in words[:-1]]
    assert run(*asked, pin).stdout.startswith("granted")


@pytest.mark.parametrize("key", ["list.jwk", "list.pub.jwk"])
def test_the_kept_list_explains_the_codes(key, played):
    told, kept, _ = played
    codes = {kind: each[kind] for each in told["reservations"]["demo-tomorrow"]["credentials"] for kind in ("pin", "qr")
             if each[kind]}  # fmt: skip
    tomorrow = (datetime.now(UTC) + timedelta(days=1, minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for kind, code in codes.items():
        files = ("--list", kept / "list.json", "--key", kept / "keys" / key)
        answer = run("door", "explain", *files, "--at", tomorrow, f"--{kind}", code, "--json")
        assert json.loads(answer.stdout)["verdict"] == "granted"
