"""Commands and a trust step through real processes: terminal, hub, Mosquitto, agent, controller, card."""

from __future__ import annotations

import json

import pytest

from controller.formats import trust_step
from simulator.demo import Demo, StartFailed
from simulator.demo_files import DOOR, Rules

pytestmark = pytest.mark.e2e


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


# --- the unit is enrolled anew; in this order


def hold_housing_button(demo: Demo) -> None:
    demo.hardware.switch("housing_button", True)
    demo.wait_until(lambda: enrolling(demo) == "open", 20, "the unit to read enrolment codes")
    demo.hardware.switch("housing_button", False)


def enrolling(demo: Demo) -> str | None:
    told = demo.door.public().enrolment
    return None if told is None else told.state


def test_a_second_use_of_the_enrolment_code_is_refused_and_voids_the_first(demo: Demo):
    hold_housing_button(demo)
    demo.hardware.show(demo.folders.door / f"enrol-{DOOR}.png")
    demo.wait_until(lambda: enrolling(demo) == "refused", 60, "the hub to refuse")
    told = demo.door.public().enrolment
    assert told is not None
    assert told.reason == "reused"
    demo.hardware.hide()
    (row,) = json.loads(demo.run("hub", "doors", "--json", "--hub", str(demo.folders.hub)))
    assert row["enrolled"] is False
    assert demo.door.status().list_version is not None, "it goes on opening with the list it has"


def test_a_unit_enrolled_anew_gets_its_list_after_the_confirmation(demo: Demo):
    before = (demo.folders.data / "event.jwk").read_bytes(), (demo.folders.door / "agent.pem").read_bytes()
    demo.enrol()
    demo.wait_until(lambda: demo.door.status().list_version is not None, 60, "the list")
    after = (demo.folders.data / "event.jwk").read_bytes(), (demo.folders.door / "agent.pem").read_bytes()
    assert all(old != new for old, new in zip(before, after, strict=True))
    demo.wait_until(lambda: demo.door.status().unsent == 0, 90, "the hub to sign for every record")


def test_a_door_that_is_shut_out_is_refused_by_the_broker_and_may_come_back(demo: Demo):
    """The broker reads the hub's files again as on a real machine, so the command ends well; enrolling undoes it."""
    said = demo.run("hub", "door", "revoke", DOOR, "--hub", str(demo.folders.hub))
    assert said == f"{DOOR} is shut out: the broker refuses it, its session is ended\n"
    (row,) = json.loads(demo.run("hub", "doors", "--json", "--hub", str(demo.folders.hub)))
    assert row["enrolled"] is False
    hold_housing_button(demo)
    demo.enrol()
    demo.wait_until(lambda: demo.door.status().unsent == 0, 90, "the door to be heard again")
