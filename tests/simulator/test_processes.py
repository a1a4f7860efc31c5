"""Children that are watched: logs, ends, and what is left."""

import os
import signal
import subprocess
import sys
import time

import pytest

from simulator.processes import ChildDied, NotInTime, Processes, run_to_end

SLEEPER = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)")


@pytest.fixture
def processes(tmp_path):
    with Processes(tmp_path) as processes:
        yield processes


def is_up(child):
    return lambda: "up" in child.last_words()


def gone(pid: int) -> bool:
    """Also true for a child that ended and was not waited for."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_child_that_ends_by_itself_is_named_with_its_last_words(processes):
    processes.start("hub", [sys.executable, "-c", "import sys; sys.exit('out of coffee')"])
    with pytest.raises(ChildDied, match=r"hub ended by itself \(exit status 1\)[\s\S]*out of coffee"):
        processes.wait_until(lambda: False, 30, "anything")


def test_a_killed_child_may_be_started_again_and_is_not_missed_meanwhile(processes):
    child = processes.start("door", SLEEPER)
    processes.wait_until(is_up(child), 30, "it")
    before = child.pid
    child.kill()
    processes.check()
    child.start()
    assert child.pid != before
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(ChildDied, match="SIGKILL"):
        processes.wait_until(lambda: False, 30, "anything")


def test_waiting_has_an_end(processes):
    with pytest.raises(NotInTime, match=r"waited 0\.1 s in vain for spring"):
        processes.wait_until(lambda: False, 0.1, "spring")


def test_nobody_answering_is_not_yet(processes):
    answers = iter([ConnectionRefusedError(), FileNotFoundError(), None])

    def ask() -> bool:
        if (error := next(answers)) is not None:
            raise error
        return True

    processes.wait_until(ask, 30, "an answer")


def test_leaving_ends_everybody_also_one_that_does_not_listen(tmp_path, monkeypatch):
    monkeypatch.setattr("simulator.processes.END_S", 0.2)
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    with Processes(tmp_path) as processes:
        children = [processes.start("deaf", [sys.executable, "-c", deaf]), processes.start("other", SLEEPER)]
        for child in children:
            processes.wait_until(is_up(child), 30, child.name)
        pids = [child.pid for child in children]
    assert all(map(gone, pids))


def test_children_do_not_outlive_a_killed_parent(tmp_path):
    program = f"""
import time
from pathlib import Path
from simulator.processes import Processes
print(Processes(Path({str(tmp_path)!r})).start("orphan", {SLEEPER!r}).pid, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    while "up" not in (tmp_path / "orphan.log").read_text():
        time.sleep(0.01)
    parent.kill()
    parent.communicate()
    while not gone(pid):
        time.sleep(0.01)


def test_a_command_is_run_to_its_end_or_ended(tmp_path):
    speaks = "import sys; print('said'); print('complained', file=sys.stderr); sys.exit(3)"
    assert run_to_end([sys.executable, "-c", speaks], 30) == (3, "said\n", "complained\n")
    note = tmp_path / "pid"
    lingers = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    with pytest.raises(subprocess.TimeoutExpired):
        run_to_end([sys.executable, "-c", lingers], 2)
    assert gone(int(note.read_text()))
