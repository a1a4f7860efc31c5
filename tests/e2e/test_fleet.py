"""A small fleet on real processes, through everything: every door has every phase behind it, and the figures add up."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.e2e

DOORS = 12
PATIENCE_S = 300


def test_every_door_has_every_phase_behind_it(short_folder):
    command = [sys.executable, "-m", "zaalsleutel", "sim", "fleet", "--doors", str(DOORS), "--grants", "3", "--json"]
    environment = {**os.environ, "TMPDIR": str(short_folder)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [phase["name"] for phase in told["phases"]] == [
        "connect herd, lists received",
        "every list re-signed and verified",
        "event flood to signed receipts",
        "broker restart, all back",
        "hub killed, started, receipts for all",
    ]
    for phase in told["phases"]:
        assert phase["doors"] == DOORS
        assert 0 < phase["p50_s"] <= phase["p95_s"] <= phase["seconds"]
        assert phase["broker_bytes"] > 0
        assert phase["hub_bytes"] > 0
