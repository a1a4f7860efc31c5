"""What the running unit says of itself: its `Status`, from the admin socket."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from controller.checks.finding import Finding, amber, green, red
from controller.config import Config
from controller.formats.messages import Status
from controller.formats.state import Colour

LIST_DAYS: Final = 7
"""A list lives 21 days and is renewed daily: with fewer left the door has been cut off for two weeks."""
UNSENT: Final = 1_000
SILENT_WIRES: Final = {"hal.keypad_matrix", "hal.keypad_wiegand"}

# fault -> check, colour, what to do
FAULTS: Final[dict[str, tuple[str, Colour, str]]] = {
    "keypad": ("keypad", "red", "look at its cable; for OSDP at address and key"),
    "scanner": ("scanner", "red", "look at its cable"),
    "camera": ("camera", "red", "look at its cable and at the camera process"),
    "camera_inside": ("camera inside", "red", "look at its cable and at zaalsleutel-camera-inside"),
    "contact": ("contact", "red", "look at its wires"),
    "switch": ("switches", "red", "look at the wires of the switches"),
    "lock": ("relay", "red", "the relay does not obey: take the door out of service"),
    "light": ("light", "amber", "look at LED and buzzer"),
    "tamper": ("tamper", "red", "close the housing; if it was closed, somebody was at the unit"),
    "fire": ("fire", "red", "fire, or the fire panel's wire is cut"),
    "legacy_opened": ("legacy", "amber", "the badge reader holds the strike: look at it"),
    "forced": ("leaf", "red", "somebody came in without a code, or the contact is out of place"),
    "held_open": ("leaf", "amber", "close the door"),
    "disk": ("disk health", "red", "replace the card"),
    "log_degraded": ("disk health", "red", "make room or replace the card: records are held in memory"),
    "trust": ("trust", "amber", "the hub's offline keys have to sign a new trust document"),
    "display": ("display", "amber", "the screen is away; the door works without it"),
    "pin_tries": ("pin tries", "amber", "somebody guessed: tries come back by themselves"),
    "forged_pass": ("forged pass", "red", "re-key the door at the hub"),
    "clone_suspected": ("clone", "red", "another unit writes under this one's name, or an old card was put back"),
    "hub_rollback": ("hub", "amber", "the hub was restored from a backup; the door sends again by itself"),
}
TOLD_ELSEWHERE: Final = {"clock", "list_stale", "offline"}


def running(config: Config, status: Status | None) -> Iterator[Finding]:
    """What the unit says; one red line when it says nothing."""
    if status is None:
        yield red("controller", "does not answer on admin.sock", "systemctl status zaalsleutel-controller")
        return
    yield green("controller", f"door {status.door} runs")
    yield clock(status)
    yield code_list(status)
    yield link(status)
    yield from _faults(status)
    if "lock" not in status.faults:
        yield green("relay", "released" if status.released else "secured, and it obeys")
    if config.has("contact") and "contact" not in status.faults:
        yield green("contact", "is read")
    if "keypad" not in status.faults:
        yield from keypads(config)


def clock(status: Status) -> Finding:
    """The clock's state and what follows from it."""
    shown = datetime.fromtimestamp(status.at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if status.clock in {"floor", "bad"}:
        return red("clock", f"the time is not known ({shown} at least)", "connect the network, or fit a clock chip")
    if "clock" in status.faults:
        return amber(
            "clock", f"its sources disagree; it says {shown}", "compare with your own watch, look at NTP and chip"
        )
    return green("clock", f"{shown}, {status.clock}")


def code_list(status: Status) -> Finding:
    """Whether there is a list and how long it lasts."""
    if status.valid_until is None:
        return red("list", "none installed: nobody can enter", "enrol the door at the hub, connect the network")
    left_days = (status.valid_until - status.at // 1000) / 86_400
    fact = f"version {status.list_version}, {status.grants} grants, good for {left_days:.0f} more days"
    if left_days <= 0:
        return red("list", "expired: nobody can enter", "connect the network")
    if left_days < LIST_DAYS or "list_stale" in status.faults:
        return amber("list", fact, "it is renewed daily and was not: look at the network and the hub")
    return green("list", fact)


def link(status: Status) -> Finding:
    """The way to the hub."""
    if not status.linked:
        return amber(
            "link", f"no connection to the hub; {status.unsent} records wait", "look at cable, firewall, agent"
        )
    if status.unsent > UNSENT:
        return amber("link", f"{status.unsent} records wait for the hub's receipt", "look at the hub")
    return green("link", "connected to the hub")


def keypads(config: Config) -> Iterator[Finding]:
    """Whether the keypads are there, as far as their wires can tell."""
    for name, part in config.keypads().items():
        check = f"keypad {name}"
        if getattr(part.driver, "__name__", "") in SILENT_WIRES:
            yield amber(
                check, "its wires do not tell whether it is there", "zaalsleutel doctor --press, and press a key"
            )
        else:
            yield green(check, "is connected")


def _faults(status: Status) -> Iterator[Finding]:
    for fault in status.faults:
        if fault not in TOLD_ELSEWHERE:
            check, colour, do = FAULTS.get(fault, (fault, "amber", "see the fault list in the documentation"))
            yield Finding(check, colour, f"fault {fault}", do)
