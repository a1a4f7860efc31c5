"""What a newcomer copies from the first page works as it stands there."""

import json
import os
import re
import shlex
import sys
from pathlib import Path
from subprocess import run

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text("utf-8")


def test_a_list_and_a_decision_from_files_alone(tmp_path):
    (block,) = (each for each in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "list make" in each)
    (tmp_path / "docs").symlink_to(REPOSITORY / "docs")
    answers = []
    for line in block.splitlines():
        name, *words = shlex.split(line)
        assert name == "zaalsleutel"
        done = run(
            [sys.executable, "-m", "zaalsleutel", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answers.append(done.stdout)
    assert json.loads(answers[-1])["verdict"] == "granted"


def test_the_list_described_is_the_list_shipped():
    page = (REPOSITORY / "docs" / "formats" / "README.md").read_text("utf-8")
    described = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert described is not None
    assert described[1] == (REPOSITORY / "docs" / "formats" / "plain.json").read_text("utf-8")
