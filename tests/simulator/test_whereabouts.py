"""Finding a demo from another terminal."""

import os
import stat
import subprocess

import msgspec
import pytest

from simulator import whereabouts
from simulator.whereabouts import NoDemo, Whereabouts, find, publish, withdraw


@pytest.fixture(autouse=True)
def run_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path / "run"


def here(folder, pid=None) -> Whereabouts:
    return Whereabouts(
        pid=os.getpid() if pid is None else pid,
        directory=str(folder),
        door="hall-1",
        room="hall",
        hub_port=8080,
        broker_port=8883,
        token="booking.secret",
        control_socket=f"{folder}/control.sock",
        sockets=f"{folder}/run",
    )


def dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_the_last_one_started_is_found_and_the_others_by_folder(tmp_path):
    first, second = here(tmp_path / "1"), here(tmp_path / "2")
    publish(first)
    publish(second)
    assert find() == second
    assert find(tmp_path / "1") == first


def test_one_that_ends_while_it_is_looked_for_hides_no_other(tmp_path, run_folder):
    publish(here(tmp_path))
    (run_folder / "zaalsleutel" / "demo-1.json").symlink_to("gone")  # listed, and not there any more
    assert find() == here(tmp_path)


def test_the_token_is_for_this_account_only(tmp_path, run_folder):
    publish(here(tmp_path))
    for path in (tmp_path / whereabouts.FILE, *(run_folder / "zaalsleutel").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_demo_that_is_gone_is_not_found(tmp_path):
    with pytest.raises(NoDemo, match=r"no demo is running; .*\./run demo"):
        find()
    publish(here(tmp_path, dead_pid()))
    with pytest.raises(NoDemo):
        find()
    with pytest.raises(NoDemo, match=r"in .*elsewhere"):
        find(tmp_path / "elsewhere")


def test_when_the_last_one_started_ends_the_one_before_is_found(tmp_path):
    first, second = here(tmp_path / "1", os.getppid()), here(tmp_path / "2")
    publish(first)
    publish(second)
    assert find() == second
    withdraw(second)
    assert find() == first
    withdraw(first)
    with pytest.raises(NoDemo):
        find()


def test_what_a_killed_demo_left_hides_no_other_and_goes_with_the_next(tmp_path, run_folder):
    publish(here(tmp_path / "1", os.getppid()))
    publish(killed := here(tmp_path / "2", dead_pid()))
    assert find() == here(tmp_path / "1", os.getppid())
    publish(here(tmp_path / "3"))
    assert f"demo-{killed.pid}.json" not in os.listdir(run_folder / "zaalsleutel")
    assert find() == here(tmp_path / "3")


def test_a_file_that_is_something_else_is_no_demo(tmp_path):
    (tmp_path / whereabouts.FILE).write_bytes(msgspec.json.encode({"pid": 1}))
    with pytest.raises(NoDemo):
        find(tmp_path)
