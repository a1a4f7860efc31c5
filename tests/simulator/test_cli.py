"""`zaalsleutel sim …` against virtual hardware and an HTTP server that answers as the hub does."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import cv2
import pytest
import zxingcpp
from typer.main import get_group
from typer.testing import CliRunner

from simulator import cheat_sheet
from simulator.cli import app
from simulator.hardware import HardwareConfig, VirtualDoor
from simulator.hub_client import HubClient, HubRefused, applied, booking
from simulator.whereabouts import Whereabouts, publish
from simulator.world_cli import WITHOUT_DEMO

QR = "ZS1:" + "A" * 56


class Hub(BaseHTTPRequestHandler):
    """Remembers what it was told; answers in the shapes of the API."""

    told: ClassVar[list[Any]] = []

    def do_PUT(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.told.append((self.path, body))
        if body["revision"] == 13:
            self.answer(409, {"code": "overlap", "detail": "the room is held"})
        else:
            self.answer(200, self.reservation(body["state"]))

    def do_GET(self):
        if self.headers["Authorization"] != "Bearer booking.secret":
            self.answer(401, {"code": "unauthorised", "detail": "who are you"})
        elif self.path.startswith("/v1/events"):
            self.answer(200, self.page(int(self.path.partition("after=")[2].partition("&")[0])))
        elif self.path == "/broken":
            self.answer(500, None)
        else:
            self.answer(200, self.reservation("active"))

    def reservation(self, state):
        pin = {"id": "c1", "reveal_at": "now", "duress": False, "pin": "482913", "qr": None}
        qr = {"id": "c2", "reveal_at": "now", "duress": False, "pin": None, "qr": QR}
        opening = {"door": "hall-1", "from": "2026-07-17T11:45:00Z", "until": "2026-07-17T16:15:00Z"}
        delivery = [{"door": "hall-1", "status": "applied"}]
        return {
            "revision": 4, "state": state, "openings": [opening], "credentials": [pin, qr], "delivery": delivery,
        }  # fmt: skip

    @staticmethod
    def page(after):
        last = min(after + 500, 700)
        names = ("time", "type", "reservation", "reason")
        events = [dict.fromkeys(names, "x") | {"id": f"hall-1/{n}", "detail": {"count": n}} for n in range(after, last)]
        return {"events": events, "next": last}

    def answer(self, status, body):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode() if body else b"Internal Server Error")

    def log_message(self, *_):
        """Silence."""


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Hub.told = []
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def door(tmp_path):
    door = VirtualDoor(
        HardwareConfig(pins_socket=str(tmp_path / "p"), control_socket=str(tmp_path / "c"), keypad=str(tmp_path / "k"))
    )
    yield door
    door.close()


@pytest.fixture
def running(door, hub, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    here = Whereabouts(
        pid=os.getpid(),
        directory=str(tmp_path),
        door="hall-1",
        room="hall",
        hub_port=hub,
        broker_port=1,
        token="booking.secret",
        control_socket=door.config.control_socket,
        sockets=str(tmp_path),
    )
    publish(here)
    return here


def sim(*arguments):
    return CliRunner().invoke(app, list(arguments))


def answer(*arguments):
    done = sim(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_keys_arrive_at_the_keypad(running, door):
    with open(door.config.keypad, "rb") as keypad:
        assert answer("keys", "12#", "--interval", "0")["result"] == "typed"
        assert keypad.read(3) == b"12#"


def test_letters_are_no_keys(running):
    done = sim("keys", "PIN")
    assert done.exit_code == 2 and "0-9 * #" in done.output


def test_the_leaf_is_locked_forced_closed_and_free_from_inside(running, door):
    assert answer("push")["result"] == "locked"
    assert answer("push", "--force")["result"] == "forced"
    assert answer("push")["result"] == "open already"
    assert answer("close")["result"] == "closed"
    assert answer("inside")["result"] == "opened"
    assert answer("state")["leaf"] == "open"


def test_the_exit_button_is_pressed_and_let_go(running, door, monkeypatch):
    pressed = []
    monkeypatch.setattr(door, "switch", lambda name, closed: pressed.append((name, closed)))
    assert answer("exit-button")["result"] == "pressed"
    assert pressed == [("exit_button", True), ("exit_button", False)]


def test_a_reservation_gives_a_qr_that_can_be_held_up(running, door, tmp_path):
    made = answer("reserve", "--ref", "R 1/x".replace("/", "-"))
    (read,) = zxingcpp.read_barcodes(cv2.imread(made["picture"]))
    assert (made["pin"], read.text) == ("482913", QR)
    assert answer("show", made["picture"], "--seconds", "60")["result"] == "held up for 60 s"
    assert door.stream.showing
    path, body = Hub.told[0]
    assert path == "/v1/reservations/R%201-x" and body["rooms"] == ["hall"]


def test_a_reservation_for_people_says_how_to_go_in(running):
    said = sim("reserve", "--minutes", "30").output
    assert "PIN 482913" in said and "sim keys 482913" in said and "2026-07-17T11:45:00Z" in said


def test_cancelling_takes_the_next_revision(running):
    assert answer("cancel", "R-1")["state"] == "cancelled"
    assert Hub.told[-1][1]["revision"] == 5


def test_events_come_in_pages_and_the_newest_are_shown(running):
    assert [event["id"] for event in answer("events", "--last", "2")] == ["hall-1/698", "hall-1/699"]
    assert "count 699" in sim("events", "--last", "1").output


def test_a_door_without_cable_says_so(running):
    done = sim("cut")
    assert done.exit_code == 1 and "no cable" in done.output


def test_a_door_that_is_away_is_one_sentence(running):
    done = sim("status")
    assert done.exit_code == 1 and done.output.startswith("zaalsleutel sim: ")


def test_without_a_demo_every_command_says_how_to_start_one(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for command in (("push",), ("status",), ("events",), ("reserve",), ("cancel", "R-1")):
        done = sim(*command)
        assert done.exit_code == 1 and "no demo is running" in done.output


def test_the_cheat_sheet_names_every_command_but_demo():
    named = {command.split()[0] for command, _ in cheat_sheet.COMMANDS}
    panels = {name: getattr(each, "rich_help_panel", None) for name, each in get_group(app).commands.items()}
    at_the_demo = {name for name, panel in panels.items() if panel != WITHOUT_DEMO}
    assert named == at_the_demo - {"demo"}


def test_the_hubs_no_is_told(hub):
    client = HubClient("127.0.0.1", hub, "booking.secret")
    assert applied(client.get("R-1"))
    with pytest.raises(HubRefused, match="overlap: the room is held"):
        client.put("R-1", booking(13, "active", "hall", 0, 3600))
    with pytest.raises(HubRefused, match="unauthorised"):
        HubClient("127.0.0.1", hub, "somebody").events()
    with pytest.raises(HubRefused, match="500"):
        client._call("GET", "/broken")


@pytest.mark.parametrize("place", ["/", "no/page.html"])
def test_a_timeline_that_cannot_be_drawn_is_said_before_the_world_runs(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = sim("run", "--seed", "1", "--days", "36500", "--timeline", place)
    assert done.exit_code == 2 and place in done.output


@pytest.mark.parametrize("option", ["--days", "--severity"])
def test_a_world_has_an_end(option):
    assert sim("run", "--seed", "1", "--days", "0", option, "inf").exit_code == 2


@pytest.mark.parametrize("options", [("--keep", "file"), ("--keep", "file/in"), ("--story", "--directory", "file")])
def test_a_demo_with_nowhere_to_write_says_so_before_it_starts(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("precious")
    monkeypatch.setattr("simulator.demo_cli.Demo", None)
    done = sim("demo", *options)
    assert done.exit_code == 2 and "file" in done.output and "Errno" not in done.output
