"""Commands and a trust step through real processes: terminal, hub, Mosquitto, agent, controller, card."""

from __future__ import annotations

import pytest

from controller.formats import trust_step
from simulator.demo import Demo, StartFailed
from simulator.demo_files import DOOR, Rules


@pytest.fixture(scope="module")
def demo(short_folder):
    with Demo(short_folder, Rules()) as demo:
        demo.start(lambda _said: None)
        yield demo


def command(demo: Demo, *words: str) -> str:
    return demo.run(
        "hub", "command", DOOR, *words, "--by", "desk-1", "--reason", "drill", "--hub", str(demo.folders.hub)
    )


def test_a_command_from_the_terminal_is_in_force_at_the_door(demo: Demo):
    assert "given to hall-1" in command(demo, "lockdown")
    demo.wait_until(lambda: demo.door.status().posture == "lockdown", 10, "the lockdown")
    command(demo, "resume")
    demo.wait_until(lambda: demo.door.status().posture == "controlled", 10, "its end")


def test_what_the_terminal_refuses_does_not_travel(demo: Demo):
    with pytest.raises(StartFailed, match="bad_request"):
        command(demo, "open")


def test_the_next_trust_document_reaches_the_card_by_itself(demo: Demo):
    demo.ceremony.next(2, "renew")
    demo.wait_until(lambda: demo.door.status().trust_version == 2, 90, "the trust document")
    kept = trust_step.open_first((demo.folders.data / "trust.json").read_bytes())
    assert kept.trust.version == 2


def test_the_root_keys_are_nowhere_but_in_the_ceremonys_folder(demo: Demo):
    roots = {path.read_bytes() for path in demo.folders.ceremony.glob("root-*.jwe")}
    elsewhere = (
        path for path in demo.folders.root.rglob("*") if path.is_file() and path.parent != demo.folders.ceremony
    )
    assert len(roots) == 3
    assert not [path for path in elsewhere if path.read_bytes() in roots]
