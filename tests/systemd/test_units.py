"""The units of the door unit, as text and as systemd reads them.

`systemd-analyze verify` exits 0 on a setting it does not know, so any output of it is a failure.
"""

import re
import shutil
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SHIPPED = REPOSITORY / "systemd"
INSTALLED = "/opt/zaalsleutel/bin/zaalsleutel"
SERVICES = ("controller", "camera", "agent")
# Tenths of the exposure level systemd gives, 0 to 100. What is left is each purpose: devices and clock, or the network.
EXPOSURE = {"controller": 10, "camera": 4, "agent": 10}
LEASE_S = 10

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def effective(service: str) -> dict[str, list[str]]:
    """The settings of a service as systemd reads them: the unit, then the drop-ins by file name."""
    unit = SHIPPED / f"zaalsleutel-{service}.service"
    folders = SHIPPED / "zaalsleutel-.service.d", SHIPPED / f"{unit.name}.d"
    drop_ins = sorted((path for folder in folders for path in folder.glob("*.conf")), key=lambda path: path.name)
    settings: dict[str, list[str]] = {}
    for path in (unit, *drop_ins):
        for name, value in re.findall(r"^(\w+)=(.*)$", path.read_text(), re.MULTILINE):
            settings.setdefault(name, []).append(value)
    return settings


@pytest.fixture
def installed(tmp_path):
    """The units beside a command that exists."""
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    for unit in tmp_path.glob("*.service"):
        unit.write_text(unit.read_text().replace(INSTALLED, "/bin/true"))
    return tmp_path


@needs_systemd
def test_systemd_understands_every_word(installed):
    units = [str(path) for path in installed.iterdir() if path.suffix in {".service", ".target"}]
    assert len(units) == len(SERVICES) + 1
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("service", SERVICES)
def test_exposure_does_not_grow(service, installed):
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE[service]}"]
    unit = str(installed / f"zaalsleutel-{service}.service")
    done = subprocess.run([*command, unit], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_process_has_an_account_of_its_own():
    accounts = {effective(service)["User"][-1] for service in SERVICES}
    assert len(accounts) == len(SERVICES)
    assert accounts == _declared("u")
    groups = " ".join(line for service in SERVICES for line in effective(service).get("SupplementaryGroups", []))
    assert set(groups.split()) <= _declared("u") | _declared("g")


def _declared(kind: str) -> set[str]:
    sysusers = (REPOSITORY / "firmware-config" / "sysusers" / "zaalsleutel.conf").read_text()
    return set(re.findall(rf"^{kind}\s+(\S+)", sysusers, re.MULTILINE))


def test_authority_is_divided():
    """No process has both the network and a device; the lock and the camera are in different ones."""
    controller, camera, agent = map(effective, SERVICES)
    assert [unit["PrivateNetwork"][-1] for unit in (controller, camera, agent)] == ["yes", "yes", "no"]
    assert "char-gpiochip rw" in controller["DeviceAllow"]
    assert camera["DeviceAllow"] == ["char-video4linux rw"]
    assert agent["PrivateDevices"] == ["yes"]
    assert "DeviceAllow" not in agent


@pytest.mark.parametrize("service", SERVICES)
def test_it_starts_again_for_ever(service):
    settings = effective(service)
    assert settings["Type"] == ["notify"]
    assert settings["Restart"] == ["always"]
    assert settings["StartLimitIntervalSec"] == ["0"]
    assert int(settings["WatchdogSec"][-1]) > 0


def test_the_lock_is_made_safe_however_the_controller_ends():
    controller = effective("controller")
    assert controller["ExecStopPost"] == [f"{INSTALLED} door secure --config /etc/zaalsleutel/door.toml"]
    assert int(controller["WatchdogSec"][-1]) + int(controller["RestartSec"][-1]) < LEASE_S


@pytest.mark.parametrize("service", SERVICES)
def test_every_relaxation_gives_its_reason(service):
    relaxed = (SHIPPED / f"zaalsleutel-{service}.service.d" / "20-relaxed.conf").read_text()
    head, *lines = relaxed.splitlines()
    assert head == "[Service]"
    blocks = [list(block) for filled, block in groupby(lines, key=bool) if filled]
    assert all(block[0].startswith("# ") and not block[-1].startswith("#") for block in blocks), blocks


@pytest.mark.parametrize("service", SERVICES)
def test_the_commands_exist(service):
    settings = effective(service)
    for line in settings["ExecStart"] + settings.get("ExecStopPost", []):
        command, room, verb, option, _ = line.split()
        assert command == INSTALLED
        done = subprocess.run(
            [sys.executable, "-m", "zaalsleutel", room, verb, "--help"],
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert option in done.stdout
