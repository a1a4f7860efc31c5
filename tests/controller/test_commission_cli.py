"""The terminal brings a unit on virtual hardware into service: its own keypad, scanner, relay, button and leaf."""

import queue
import threading
from functools import partial
from io import StringIO

import pytest
from rich.console import Console
from typer.testing import CliRunner

from controller.cli import app
from controller.commission import KEYS, TEST_QR
from controller.commission_cli import NOT_BEGUN, commission
from tests.controller.wired_unit import LINES, WiredUnit, config_text, wired_unit

TYPED = {
    "keypad_mm": "1000",
    "camera_mm": "950",
    "corner_mm": "700",
    "floor": "1",
    "free_exit": "1",
    "escape_route": "3",
    "locked_unpowered": "1",
    "fire_cuts_lock": "2",
    "cylinder": "1",
    "notice": "1",
    "sheet": "17",
}


class Staff:
    """Somebody at the door and somebody at the terminal."""

    def __init__(self, unit: WiredUnit, answers: dict[str, str]) -> None:
        self._unit = unit
        self._answers = answers
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.screen = StringIO()
        self.passed: bool | None = None

    def go_through(self) -> None:
        terminal = threading.Thread(target=self._at_the_terminal)
        terminal.start()
        seen = None
        try:
            while terminal.is_alive():
                self._unit.until(partial(self._moved_on, seen, terminal))
                seen = self._step()
                self._do(seen)
        finally:
            terminal.join(10)

    def _moved_on(self, seen: str | None, terminal: threading.Thread) -> bool:
        return self._step() != seen or not terminal.is_alive()

    def _at_the_terminal(self) -> None:
        sockets = self._unit.runner._conversations._sockets["admin"].path.parent
        self.passed = commission(sockets, Console(file=self.screen, width=200), "en", self._typed)

    def _typed(self, seconds: float) -> str | None:
        try:
            return self._lines.get(timeout=seconds / 10)
        except queue.Empty:
            return None

    def _step(self) -> str | None:
        guidance = self._unit.runner._performer.door.commissioning.guidance()
        return None if guidance is None else guidance.step

    def _do(self, step: str | None) -> None:
        board = self._unit.board
        match step:
            case "keys":
                self._unit.keypad.press(KEYS, 0)
            case "qr" | "qr_seated":
                # What is held up is seen again and again; taken away and shown anew it is another presentation.
                self._unit.runner._performer.door._presentations[False]._seen.clear()
                self._unit.scanner.press(TEST_QR + "\r", 0)
            case "relay":
                self._lines.put("0")
                assert self._unit.until(lambda: board.high(LINES["lock"]))
                self._lines.put(self._answers.get("relay", "1"))
            case "exit_button":
                board.switch(LINES["exit_button"], closed=True)
            case "leaf":
                board.switch(LINES["contact"], closed=False)
                assert self._unit.until(
                    lambda: any(event["kind"] in {"out", "opened"} for event in self._unit.events())
                )
                board.switch(LINES["contact"], closed=True)
            case str() if step in TYPED:
                self._lines.put((TYPED | self._answers)[step])


@pytest.mark.parametrize(("answers", "short"), [({}, ""), ({"relay": "3", "keypad_mm": "1300"}, "relay keypad_mm")])
def test_a_unit_is_brought_into_service_from_the_terminal(tmp_path, monkeypatch, answers, short):
    with wired_unit(tmp_path, monkeypatch) as unit:
        unit.start()
        staff = Staff(unit, answers)
        staff.go_through()
        record = next(event for event in reversed(unit.events()) if event["kind"] == "commissioning")
        assert (record["reason"], record["detail"]["short"]) == ("failed" if short else "passed", short)
        assert staff.passed is (not short)
        text = staff.screen.getvalue()
        assert "Press every key" in text and ("In service" in text) == (not short)
        assert unit.runner._performer.door.memory.in_service is (not short)
        assert not unit.board.high(LINES["lock"]) or unit.until(lambda: not unit.board.high(LINES["lock"]))


def test_a_unit_in_service_is_begun_with_at_its_keypad_only(tmp_path, monkeypatch):
    with wired_unit(tmp_path, monkeypatch) as unit:
        unit.start()
        unit.runner._performer.door.memory.in_service = True
        staff = Staff(unit, {})
        staff.go_through()
        assert staff.passed is False and NOT_BEGUN in staff.screen.getvalue()


def test_a_unit_that_does_not_run_is_said_to_be_none(tmp_path):
    (tmp_path / "door.toml").write_text(config_text(tmp_path))
    done = CliRunner().invoke(app, ["commission", "--config", str(tmp_path / "door.toml")])
    assert done.exit_code == 1
    assert "the unit does not answer" in done.stderr
