"""The hub's unit, as text and as systemd reads it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sync.hub.doors.revocation import ACL
from sync.hub.keys.ca import CRL

UNIT = Path(__file__).parents[2] / "systemd" / "hub" / "zaalsleutel-hub.service"
ADAPTERS = UNIT.with_name("zaalsleutel-adapters.service")
EXPOSURE_TENTHS = {UNIT: 13, ADAPTERS: 11}

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture(params=EXPOSURE_TENTHS, ids=lambda unit: unit.stem)
def unit(request):
    return request.param


@pytest.fixture
def installed(unit, tmp_path):
    """The unit beside a command that exists."""
    copy = tmp_path / unit.name
    copy.write_text(re.sub(r"/opt/zaalsleutel/bin/zaalsleutel", "/bin/true", unit.read_text()))
    return copy


@needs_systemd
def test_systemd_understands_every_word(installed):
    command = ["systemd-analyze", "verify", "--man=no", str(installed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
def test_exposure_does_not_grow(unit, installed):
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_TENTHS[unit]}"]
    done = subprocess.run([*command, str(installed)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_adapters_start_again_for_ever_as_the_hub_and_listen_to_nobody():
    settings = dict(re.findall(r"^(\w+)=(.*)$", ADAPTERS.read_text(), re.MULTILINE))
    assert (settings["Restart"], settings["StartLimitIntervalSec"], settings["User"]) == ("always", "0", "zs-hub")
    assert settings["ExecStart"].split()[1:4] == ["hub", "adapters", "run"]


def test_it_starts_again_for_ever_and_keeps_its_folder_to_itself():
    settings = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))
    assert (settings["Restart"], settings["StartLimitIntervalSec"], settings["Type"]) == ("always", "0", "notify")
    assert settings["StateDirectoryMode"] == "0700"
    assert settings["User"] == "zs-hub"


@needs_systemd
def test_systemd_understands_what_takes_the_files_to_the_broker(tmp_path):
    units = [tmp_path / f"zaalsleutel-broker-files.{kind}" for kind in ("path", "service")]
    for unit in units:
        shutil.copy(UNIT.with_name(unit.name), unit)
    command = ["systemd-analyze", "verify", "--man=no", *map(str, units)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_it_takes_the_files_that_the_hub_writes_to_where_the_broker_reads_them():
    taken = UNIT.with_name("zaalsleutel-broker-files.service").read_text()
    watched = UNIT.with_name("zaalsleutel-broker-files.path").read_text()
    shipped = (UNIT.parents[2] / "firmware-config" / "mosquitto" / "zaalsleutel.conf").read_text()
    for name in (CRL, ACL):
        assert f"PathChanged=/var/lib/zaalsleutel-hub/tls/{name}\n" in watched
        assert f"/var/lib/zaalsleutel-hub/tls/{name}" in taken
        assert f"/etc/zaalsleutel/broker/{name}\n" in shipped
