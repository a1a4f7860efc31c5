"""The small system files as the programs that read them read them. What is not installed here is skipped, by name."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SHIPPED = Path(__file__).parents[2] / "firmware-config"
SBIN = "/usr/sbin:/usr/bin:/sbin:/bin"


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of the system; skips the test when it is not there."""
    path = shutil.which(program, path=SBIN)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return subprocess.run([path, *arguments], capture_output=True, text=True, check=False)


def test_chrony_understands_every_line():
    """`-p` prints the configuration instead of running it; a word it does not know ends it."""
    done = run("chronyd", "-p", "-f", SHIPPED / "chrony" / "chrony.conf")
    assert done.returncode == 0, done.stdout + done.stderr


def test_time_is_signed_where_it_can_be_and_given_to_nobody():
    lines = (SHIPPED / "chrony" / "chrony.conf").read_text().splitlines()
    servers = [line.split() for line in lines if line.startswith("server ")]
    assert len(servers) >= 3
    assert all("nts" in server for server in servers)
    assert {"port 0", "cmdport 0", "authselectmode prefer", "rtcsync"} <= set(lines)


def test_accounts_are_made_as_written(tmp_path):
    """And once: a second run finds them."""
    (tmp_path / "etc").mkdir()
    configuration = SHIPPED / "sysusers" / "zaalsleutel.conf"
    for _ in range(2):
        done = run("systemd-sysusers", f"--root={tmp_path}", configuration)
        if done.returncode and "permi" in done.stderr.lower():
            pytest.skip(f"making accounts in a root of one's own is not allowed here: {done.stderr.strip()}")
        assert done.returncode == 0, done.stderr
    accounts = re.findall(r"^(zs-[\w-]+):", (tmp_path / "etc/passwd").read_text(), re.MULTILINE)
    assert sorted(accounts) == ["zs-camera", "zs-camera-inside", "zs-clock", "zs-display", "zs-door", "zs-sync"]


def test_tmpfiles_makes_the_folders(tmp_path):
    rules = tmp_path / "rules.conf"
    # The accounts are the test above's business; here whoever runs the tests owns everything.
    rules.write_text(re.sub(r"(zs-\w+|root) ", "- ", (SHIPPED / "tmpfiles" / "zaalsleutel.conf").read_text()))
    done = run("systemd-tmpfiles", "--create", f"--root={tmp_path}", rules)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "var/lib/zaalsleutel").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "etc/zaalsleutel").is_dir()


def test_the_log_is_in_memory_and_small():
    text = (SHIPPED / "journald" / "zaalsleutel.conf").read_text()
    assert "\nStorage=volatile\n" in text
    (limit_mb,) = re.findall(r"^RuntimeMaxUse=(\d+)M$", text, re.MULTILINE)
    assert int(limit_mb) <= 64


def test_the_watchdog_fits_the_chip():
    """The Raspberry Pi's counts to 15 s at most; a longer time is refused, and then nothing watches."""
    text = (SHIPPED / "watchdog" / "zaalsleutel.conf").read_text()
    assert "\nRuntimeWatchdogSec=" in text
    assert all(0 < int(seconds) <= 15 for seconds in re.findall(r"WatchdogSec=(\d+)", text))


def test_a_kernel_that_panics_restarts_and_memory_goes_nowhere():
    lines = set((SHIPPED / "sysctl" / "zaalsleutel.conf").read_text().splitlines())
    assert {
        "kernel.panic = 5",
        "kernel.panic_on_oops = 1",
        "fs.suid_dumpable = 0",
        "kernel.yama.ptrace_scope = 2",
    } <= lines


def test_only_the_root_is_an_overlay():
    """The data partition is what is written for good: an overlay over it would forget entries at every restart."""
    text = (SHIPPED / "overlayroot" / "overlayroot.local.conf").read_text()
    assert '\noverlayroot="tmpfs:swap=0,recurse=0"\n' in text


def test_every_board_without_a_clock_of_its_own_is_given_the_chip():
    text = (SHIPPED / "boot" / "zaalsleutel.txt").read_text()
    assert re.findall(r"^\[(\w+)\]\ndtoverlay=i2c-rtc,ds3231$", text, re.MULTILINE) == ["pi4", "pi3", "pi02"]
    assert "\ndtparam=i2c_arm=on\n" in text


RULES = sorted((SHIPPED / "udev").glob("*.rules"))


@pytest.mark.parametrize("rules", RULES, ids=lambda path: path.name)
def test_udev_understands_every_rule(rules):
    """`udevadm verify` came with systemd 254; before, the grammar below is what is used here."""
    for line in rules.read_text().splitlines():
        for part in line.split(", ") if line and not line.startswith("#") else ():
            assert re.fullmatch(r'[A-Z]+(\{\w+\})?(==|!=|=)"[^"]+"', part), line
    done = run("udevadm", "verify", rules)
    if "Unknown command verb" in done.stderr:
        pytest.skip("this udevadm cannot verify rules yet")
    assert done.returncode == 0, done.stdout + done.stderr


def test_usb_is_closed_to_disks_and_radios():
    rules = (SHIPPED / "udev" / "70-zaalsleutel-usb.rules").read_text()
    assert 'ENV{DEVTYPE}=="usb_interface", ATTR{bInterfaceClass}=="08|e0", ATTR{authorized}="0"' in rules
    # Nothing is let in by what it calls itself: always a port and an id.
    for line in rules.splitlines():
        if 'ATTR{authorized}="1"' in line:
            assert all(word in line for word in ('KERNEL=="', "ATTR{idVendor}==", "ATTR{idProduct}==")), line
    blocked = (SHIPPED / "modprobe" / "zaalsleutel.conf").read_text()
    for module in ("usb-storage", "uas", "cdc_ether", "rndis_host", "libcomposite", "bluetooth", "btusb"):
        assert f"\ninstall {module} /bin/false\n" in blocked


def test_the_firmware_gives_lines_back_and_starts_the_watchdog():
    lines = (SHIPPED / "boot" / "zaalsleutel.txt").read_text().splitlines()
    assert {"dtparam=strict_gpiod", "dtparam=watchdog=on", "enable_uart=1", "dtoverlay=disable-bt"} <= set(lines)
    settings = [line for line in lines if line and line[0] not in "#["]
    assert all(len(line) < 98 for line in settings)  # the firmware cuts a longer line
    # A filter left standing would make the lock lines that the installer adds count for one board only.
    assert [line for line in lines if line.startswith("[")][-1] == "[all]"


@pytest.mark.parametrize("script", ["install", "usb-pin"])
def test_scripts_are_clean(script):
    done = run("shellcheck", SHIPPED / script)
    assert done.returncode == 0, done.stdout
