"""The machine around the unit, from /sys, /proc and /etc below `root` (another one in the tests)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from controller.checks.finding import Finding, amber, green, red
from controller.config import Config

DIGIT_KEYS: Final = 0x3FF << 2
"""KEY_1 to KEY_0 in the kernel's bitmap: a device that has them can type a PIN."""
HOST_CLOCK: Final = "hal.clock_host"
NO_LOGIN: Final = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false")


def machine(config: Config, root: Path) -> Iterator[Finding]:
    """Everything about the machine."""
    if config.gpio.factory == "virtual":
        yield amber("gpio", "virtual hardware", 'nothing, in a demo; a door has factory = "lgpio"')
    else:
        yield strict_gpiod(root)
    if getattr(config.required("clock").driver, "__name__", "") == HOST_CLOCK:
        yield amber(
            "clock chip", "the unit takes this machine's time for true", 'a door has driver = "linux" in [clock]'
        )
    else:
        yield clock_chip(root)
    yield usb_closed(root)
    yield keyboards(root, _own_ids(config))
    yield default_account(root)
    yield read_only_root(root)


def strict_gpiod(root: Path) -> Finding:
    """Whether the kernel lets a dead process's outputs go."""
    found = sorted(root.glob("sys/module/pinctrl_*/parameters/persist_gpio_outputs"))
    if any(_text(path).strip() in {"Y", "1"} for path in found):
        return red(
            "strict_gpiod",
            "this kernel keeps outputs driven after their process died, and so the lock released",
            "put dtparam=strict_gpiod into config.txt and restart",
        )
    if not found and "Raspberry Pi" in _text(root / "proc/device-tree/model"):
        return amber(
            "strict_gpiod",
            "this kernel does not tell whether it lets a dead process's outputs go",
            "renew the system, or try it: docs/bench.md, R3",
        )
    return green("strict_gpiod", "outputs are let go when their process ends")


def clock_chip(root: Path) -> Finding:
    """Whether there is a battery-backed clock."""
    chips = sorted(root.glob("sys/class/rtc/rtc*"))
    told = [chip for chip in chips if _text(chip / "since_epoch").strip().isdigit()]
    if not told:
        why = "does not tell the time" if chips else "there is none"
        return red(
            "clock chip", f"{why}: after a power cut without network the door knows no time", "fit it, or its cell"
        )
    return green("clock chip", f"{_text(told[0] / 'name').strip() or told[0].name} tells the time")


def usb_closed(root: Path) -> Finding:
    """Whether what is plugged in needs leave first."""
    buses = sorted(root.glob("sys/bus/usb/devices/usb*/authorized_default"))
    open_buses = [path.parent.name for path in buses if _text(path).strip() != "0"]
    if open_buses:
        return amber(
            "usb", f"anything plugged into {', '.join(open_buses)} is let in", "run the installer: it closes USB"
        )
    return green("usb", "closed but for what the unit uses" if buses else "there is none")


def keyboards(root: Path, own: set[tuple[int, int]]) -> Finding:
    """Whether something can type digits that is not the unit's keypad."""
    others = [name for name, ids in typing_devices(_text(root / "proc/bus/input/devices")) if ids not in own]
    if others:
        return red("second keyboard", f"plugged in: {', '.join(others)}", "unplug it")
    return green("second keyboard", "none")


def typing_devices(listing: str) -> list[tuple[str, tuple[int, int]]]:
    """Name, vendor and product of each input device with digit keys, from /proc/bus/input/devices."""
    found = []
    for block in listing.split("\n\n"):
        ids = re.search(r"^I: .*Vendor=([0-9a-f]{4}) Product=([0-9a-f]{4})", block, re.MULTILINE)
        name = re.search(r'^N: Name="(.*)"$', block, re.MULTILINE)
        keys = re.search(r"^B: KEY=.*?([0-9a-f]+)$", block, re.MULTILINE)
        if ids and keys and int(keys.group(1), 16) & DIGIT_KEYS == DIGIT_KEYS:
            found.append((name.group(1) if name else "?", (int(ids.group(1), 16), int(ids.group(2), 16))))
    return found


def default_account(root: Path) -> Finding:
    """Whether there is the account every Raspberry Pi once had."""
    for line in _text(root / "etc/passwd").splitlines():
        name, *_, shell = line.split(":")
        if name == "pi" and shell not in NO_LOGIN:
            return amber(
                "default account", "there is an account called pi, which everybody tries first", "sudo passwd --lock pi"
            )
    return green("default account", "none")


def read_only_root(root: Path) -> Finding:
    """Whether a root that was installed to be read-only is: overlayroot goes on without it when it cannot."""
    wanted = 'overlayroot="tmpfs' in _text(root / "etc/overlayroot.local.conf")
    is_one = any(line.startswith("overlayroot / ") for line in _text(root / "proc/self/mounts").splitlines())
    if wanted and not is_one:
        return amber(
            "root",
            "should be read-only and is not: a power cut can damage it",
            "sudo apt install busybox, restart; if it stays so, the screen tells why at the start",
        )
    return green("root", "read-only" if is_one else "is written to, as installed")


def _own_ids(config: Config) -> set[tuple[int, int]]:
    own = set()
    for part in config.keypads().values():
        vendor, product = getattr(part.settings, "vendor", None), getattr(part.settings, "product", None)
        if vendor is not None and product is not None:
            own.add((vendor, product))
    return own


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
