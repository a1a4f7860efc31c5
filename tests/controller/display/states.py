"""Public states for the tests of the screen: one of each kind, at a Friday noon in July."""

from typing import Any

from controller.formats.messages import PublicState

NOON_S = 1_784_282_400  # 2026-07-17 12:00 in Brussels
LEAVE = {
    "nl": "Lichten uit. Ramen dicht. Stoelen terug.",
    "fr": "Éteignez. Fermez les fenêtres.",
    "de": "Licht aus. Fenster zu.",
    "en": "Lights off. Windows shut. Chairs back.",
}


def public(**changed: Any) -> PublicState:
    """An idle door, but for what is named."""
    usual: dict[str, Any] = {
        "door": "hall-1",
        "at": NOON_S * 1000,
        "languages": ("nl",),
        "help": "Zaalwachter: 09 000 00 00",
        "room": "Feestzaal",
        "time_zone": "Europe/Brussels",
        "leave": LEAVE,
        "occupied_until": None,
        "occupied_from": NOON_S + 6 * 3600,
        "shown": "idle",
        "shown_at": 0,
        "reason": None,
        "opens_at": None,
        "incident": None,
        "digits": 0,
        "wait_s": None,
        "faults": (),
    }
    return PublicState(**{**usual, **changed})


def refused(reason: str, **changed: Any) -> PublicState:
    """A refusal just now."""
    shown = "wait" if reason == "locked_out" else "refused"
    wait_s = 1800 if reason == "locked_out" else None
    given = {"shown": shown, "shown_at": NOON_S, "reason": reason, "incident": "123-456-789", "wait_s": wait_s}
    return public(**{**given, **changed})
