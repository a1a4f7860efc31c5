"""What a command from the hub means for a door. Pure; that the command is genuine was decided before."""

from __future__ import annotations

from controller.decide import Verdict
from controller.formats.command import Command
from controller.formats.reasons import Reason
from controller.posture import Posture

ATTENDED_MAX_S = 12 * 3_600
GRANT = "remote"


def objection(command: Command, posture: Posture, now_s: int, trusted: bool) -> str | None:
    """Why a genuine command is not carried out as things are, None where it is."""
    if command.verb in {"release", "attended"} and posture.state == "lockdown":
        return "lockdown"
    if command.verb != "attended":
        return None
    if not trusted:
        return "clock_untrusted"
    # An hour that is over, or one far away: somebody's mistake, and the door would stand open for it.
    in_reach = command.until is not None and now_s < command.until <= now_s + ATTENDED_MAX_S
    return None if in_reach else "bad_until"


def verdict(command: Command) -> Verdict:
    """A release counts as an entry of nobody's reservation; the challenge tells one from another."""
    return Verdict(Reason.GRANTED, grant=GRANT, credential=command.challenge, via="remote")


def posture_after(command: Command, since_s: int) -> Posture | None:
    """The posture a command asks for, None where it asks for none."""
    match command.verb:
        case "attended":
            return Posture("unlocked", since_s, command.until)
        case "lockdown":
            return Posture("lockdown", since_s)
        case "resume":
            return Posture("controlled", since_s)
    return None
