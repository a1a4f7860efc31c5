"""The camera process, over the real OpenCV driver on a real stream and a real socket to a controller that listens."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.camera import process
from controller.camera.config import CAMERA, INSIDE, load
from controller.camera.process import SIGHTING_S, TEXT_CHARS, ControllerLine, Sightings, Watch, notify
from controller.formats.messages import CameraAlive, CameraRead, FromCamera, decode_line
from simulator.stream import Stream
from tests.controller.camera.scenes import PASS, code

REPOSITORY = Path(process.__file__).parents[2]
PATIENCE_S = 30.0


class Listener:
    """A controller's `camera.sock`, and the one camera process that has connected to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.settimeout(PATIENCE_S)
        self._server.bind(str(path))
        self._server.listen()
        self._connection: socket.socket | None = None

    def hear(self, wanted) -> CameraRead | CameraAlive:
        """The next message that `wanted` agrees to; what comes before it is passed over."""
        if self._connection is None:
            self._connection, _ = self._server.accept()
            self._connection.settimeout(PATIENCE_S)
            self._lines = self._connection.makefile("rb")
        while True:
            message: CameraRead | CameraAlive = decode_line(self._lines.readline().rstrip(b"\n"), FromCamera, "line")
            if wanted(message):
                return message

    def close(self) -> None:
        if self._connection is not None:
            self._lines.close()
            self._connection.close()
        self._server.close()
        self._path.unlink(missing_ok=True)


def is_read(message) -> bool:
    return isinstance(message, CameraRead)


def sees(message) -> bool:
    return isinstance(message, CameraAlive) and message.frames > 0


def blind(message) -> bool:
    return isinstance(message, CameraAlive) and message.frames == 0


def show(stream: Stream, text: str, **options) -> None:
    stream.show(cv2.cvtColor(code(text, **options), cv2.COLOR_GRAY2BGR).astype("uint8"))


@pytest.fixture
def stream():
    stream = Stream()
    yield stream
    stream.close()


@pytest.fixture
def section():
    """Which of the two cameras."""
    return CAMERA


@pytest.fixture
def controller(tmp_path, section):
    listener = Listener(tmp_path / f"{section}.sock")
    yield listener
    listener.close()


@pytest.fixture
def config_file(stream, tmp_path, section):
    path = tmp_path / "door.toml"
    path.write_text(f'[door]\nsockets = "{tmp_path}"\n[{section}]\ndriver = "opencv"\nsource = "{stream.url}"\n')
    return path


@pytest.fixture
def watch(config_file, monkeypatch):
    """The process's loop on a thread, with short pauses."""
    monkeypatch.setattr(process, "ALIVE_S", 0.2)
    monkeypatch.setattr(process, "AGAIN_S", 0.1)
    watch = Watch(load(config_file))
    thread = threading.Thread(target=watch.run)
    thread.start()
    yield watch
    watch.stop()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


@pytest.mark.usefixtures("watch")
def test_an_empty_scene_is_alive_and_a_code_is_read(stream, controller):
    controller.hear(sees)
    show(stream, PASS)
    assert controller.hear(is_read) == CameraRead(text=PASS)
    assert controller.hear(is_read) == CameraRead(text=PASS), "as long as it is in sight"


@pytest.mark.usefixtures("watch")
def test_of_a_long_text_the_start_is_sent(stream, controller):
    show(stream, "X" * 500, error="l")
    assert controller.hear(is_read) == CameraRead(text="X" * TEXT_CHARS)


@pytest.mark.usefixtures("watch")
def test_a_camera_that_vanishes_is_told_and_comes_back(stream, controller):
    controller.hear(sees)
    stream.plug(False)
    controller.hear(blind)
    stream.plug(True)
    controller.hear(sees)
    show(stream, PASS)
    assert controller.hear(is_read) == CameraRead(text=PASS)


def test_no_camera_at_start_is_told_too(stream, controller, request):
    stream.plug(False)
    request.getfixturevalue("watch")
    controller.hear(blind)


@pytest.mark.usefixtures("watch")
def test_a_controller_that_restarts_is_found_again(stream, controller, tmp_path):
    show(stream, PASS)
    controller.hear(is_read)
    controller.close()
    successor = Listener(tmp_path / "camera.sock")
    try:
        assert successor.hear(is_read) == CameraRead(text=PASS)
    finally:
        successor.close()


def test_a_controller_that_does_not_read_is_hung_up_on(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "SEND_WAIT_S", 0.05)
    monkeypatch.setattr(process, "AGAIN_S", 1000.0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(tmp_path / "camera.sock"))
        server.listen()
        line = ControllerLine(tmp_path / "camera.sock")
        line.send(CameraAlive(frames=1))
        connection, _ = server.accept()
        with connection:
            for _ in range(10_000):
                line.send(CameraRead(text="X" * TEXT_CHARS))
            heard = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert heard.startswith(b'{"frames":1,"type":"alive"}\n')
    assert len(heard) < 10_000 * TEXT_CHARS


def test_nobody_listening_is_no_error(tmp_path):
    line = ControllerLine(tmp_path / "camera.sock")
    line.send(CameraAlive(frames=1))
    line.close()
    line.close()


@given(st.lists(st.tuples(st.floats(0, 0.2), st.lists(st.sampled_from("ABC"), max_size=4)), max_size=40))
def test_each_text_is_said_at_once_and_then_not_too_often(looks):
    sightings, now_s = Sightings(), 1000.0
    said_s: dict[str, float] = {}
    for step_s, texts in looks:
        now_s += step_s
        expected = [text for text in dict.fromkeys(texts) if now_s - said_s.get(text, 0.0) >= SIGHTING_S]
        assert sightings.due(texts, now_s) == expected
        said_s.update(dict.fromkeys(expected, now_s))


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told(abstract, tmp_path, monkeypatch):
    address = f"@zaalsleutel-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind("\0" + address[1:] if abstract else address)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notify("READY=1")
        assert supervisor.recv(100) == b"READY=1"


@pytest.mark.parametrize(("section", "option"), [(CAMERA, ()), (INSIDE, ("--inside",))])
def test_the_real_process_reads_says_stops_and_leaves_nothing_behind(stream, controller, config_file, option, tmp_path):
    show(stream, PASS)
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "TMPDIR": str(empty),
        "HOME": str(empty),
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(environment["NOTIFY_SOCKET"])
        supervisor.settimeout(PATIENCE_S)
        command = [sys.executable, "-m", "zaalsleutel", "camera", "run", "--config", str(config_file), *option]
        running = subprocess.Popen(command, cwd=empty, env=environment, stderr=subprocess.PIPE, text=True)
        try:
            assert supervisor.recv(100) == b"READY=1"
            assert controller.hear(is_read) == CameraRead(text=PASS)
            controller.hear(sees)
            assert supervisor.recv(100) == b"WATCHDOG=1"
            running.send_signal(signal.SIGTERM)
            _, said = running.communicate(timeout=PATIENCE_S)
        finally:
            running.kill()
    assert running.returncode == 0
    assert said.splitlines() == ["camera works"]
    assert list(empty.iterdir()) == []
