"""What somebody who reads everything at the broker learns from a demo."""

from __future__ import annotations

from pathlib import Path

from simulator import hub_secrets, tap
from simulator.demo_files import Folders
from simulator.overheard import leaks

USUAL = {"trust", "list", "receipt", "events", "state"}


def overheard(root: Path) -> list[str]:
    """Every secret and every movement in the traffic of the demo in `root` so far. That a listener was there and heard
    all of a town's topics is a condition."""
    folders = Folders(root)
    messages = set(tap.read(folders.traffic))
    heard = {message.topic.rpartition("/")[2] for message in messages}
    assert heard >= USUAL - {"trust"}, f"the listener heard only {heard}"
    return sorted(set(leaks(messages, hub_secrets.read(folders.hub))))
