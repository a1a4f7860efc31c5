"""Topic names of the link, `zs/1/<door>/…`, the same on both ends.

Down (hub to door): `trust`, `list`, `receipt`, `update` retained; `ask`, `command` not retained.
Up (door to hub): `events`, `state` (retained, and the last will), `answer`.
"""

from __future__ import annotations

ROOT = "zs/1"
DOWN = ("trust", "list", "receipt", "update", "ask", "command")
UP = ("events", "state", "answer")
RETAINED = frozenset({"trust", "list", "receipt", "update", "state"})
# Several hub processes share the doors' messages between them (MQTT 5 shared subscriptions).
HUB_SUBSCRIPTIONS = tuple(f"$share/hub/{ROOT}/+/{leaf}" for leaf in UP)


def topic(door: str, leaf: str) -> str:
    """The topic of one door, e.g. `zs/1/hall-1/list`."""
    return f"{ROOT}/{door}/{leaf}"


def split(name: str) -> tuple[str, str] | None:
    """(door, leaf) of a topic of ours, else None."""
    parts = name.split("/")
    if len(parts) != 4 or "/".join(parts[:2]) != ROOT:
        return None
    return parts[2], parts[3]
