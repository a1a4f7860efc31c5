"""The story's own rules; the story itself is played in tests/e2e."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from rich.console import Console

from simulator import demo_cli
from simulator.demo_files import LONGEST_SOCKET, SOCKET_PATH_BYTES
from simulator.hub_client import HubRefused
from simulator.processes import ChildDied, NotInTime
from simulator.story import Story


def demo_whose_hub(failure: Exception) -> Any:
    """A demo whose door is enrolled and whose hub says this to the first reservation."""
    door_folder = Mock(iterdir=Mock(return_value=[]))
    hub = Mock(put=Mock(side_effect=failure))
    return Mock(hub=hub, folders=Mock(door=door_folder), listed_unconfirmed=False)


@pytest.mark.parametrize("failure", [HubRefused("overlap"), ChildDied("hub ended"), NotInTime("spring"), OSError("no")])
def test_the_first_line_that_is_not_true_ends_the_story(failure):
    demo = demo_whose_hub(failure)
    enrolled, reserved = Story(demo).play()
    assert enrolled.ok
    assert not reserved.ok and str(failure) in reserved.happened


def test_a_mistake_of_our_own_is_no_line_of_the_story():
    demo = demo_whose_hub(TypeError())
    story = Story(demo).play()
    assert next(story).ok
    with pytest.raises(TypeError):
        next(story)


@pytest.mark.parametrize("as_json", [True, False])
def test_a_story_that_did_not_come_true_is_told_so(as_json, capsys):
    demo = demo_whose_hub(HubRefused("overlap"))
    assert demo_cli._play(demo, as_json) is False
    said = capsys.readouterr().out
    assert ('"ok": false' if as_json else "the story did not come true") in said


def test_a_story_wants_a_fresh_folder(tmp_path, capsys):
    (tmp_path / "anything").touch()
    assert demo_cli.run_demo(story=True, keep=None, directory=tmp_path, as_json=False) == 1
    assert "is not empty" in capsys.readouterr().err


def test_a_folder_too_deep_for_sockets_is_one_sentence(tmp_path, capsys):
    deep = tmp_path / ("x" * (SOCKET_PATH_BYTES - len(LONGEST_SOCKET)))
    assert demo_cli.run_demo(story=False, keep=None, directory=deep, as_json=False) == 1
    assert "choose a shorter --directory" in capsys.readouterr().err
    assert not deep.exists()


@pytest.mark.parametrize("named", ["/proc/self", "/proc/nowhere"])  # is there, is not; to root as well
def test_a_folder_that_takes_no_file_is_named_before_anything_starts(named, capsys, mocker):
    started = mocker.patch("simulator.demo_cli.Demo")
    assert demo_cli.run_demo(story=True, keep=Path(named), directory=None, as_json=False) == 2
    assert named in capsys.readouterr().err
    started.assert_not_called()


def test_what_cannot_be_kept_after_all_is_no_success(tmp_path, capsys, mocker):
    mocker.patch("simulator.demo_cli.Demo")
    mocker.patch("simulator.demo_cli._play", return_value=True)
    mocker.patch("simulator.evidence.keep", side_effect=OSError("the card is full"))
    assert demo_cli.run_demo(story=True, keep=tmp_path, directory=None, as_json=False) == 1
    assert "not everything could be kept: the card is full" in capsys.readouterr().err


@pytest.mark.parametrize(("screen", "opened"), [("", 0), (":0", 1)])
def test_a_browser_is_opened_only_where_it_has_a_screen_of_its_own(screen, opened, mocker, monkeypatch):
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    mocker.patch("simulator.demo_cli.whereabouts")
    mocker.patch("simulator.demo_cli.VirtualDoorPage")
    mocker.patch("simulator.demo_cli.cheat_sheet", return_value="")
    mocker.patch.object(demo_cli, "err", Console(force_terminal=True))
    browser = mocker.patch("webbrowser.open")
    ended = Mock(check=Mock(side_effect=ChildDied("enough")))
    with pytest.raises(ChildDied), ExitStack() as ending:
        demo_cli._stay(ending, ended, as_json=False)
    assert browser.call_count == opened
