"""The camera process's part of the configuration."""

from pathlib import Path

import pytest

from controller.camera.config import INSIDE, load
from controller.formats.errors import Refused
from hal import camera_opencv

GOOD = """
[door]
id = "hall-1"
data = "/var/lib/zaalsleutel"
sockets = "/run/zaalsleutel"

[lock]
driver = "gpio"
pin = 17

[camera]
driver = "opencv"
source = "/dev/video0"
"""


@pytest.fixture
def config(tmp_path):
    def loaded(text: str):
        path = tmp_path / "door.toml"
        path.write_text(text)
        return load(path)

    return loaded


def test_sockets_and_camera_are_taken_from_the_units_file(config):
    loaded = config(GOOD)
    assert loaded.socket == Path("/run/zaalsleutel/camera.sock")
    assert loaded.settings == camera_opencv.Settings(source="/dev/video0")


def test_the_two_sections_alone_will_do(config):
    loaded = config('door = {sockets = "/run/x"}\ncamera = {driver = "opencv", source = "0"}')
    assert loaded.socket == Path("/run/x/camera.sock")


def test_the_inner_camera_has_a_section_and_a_socket_of_its_own(tmp_path):
    path = tmp_path / "door.toml"
    path.write_text(GOOD + '[camera_inside]\ndriver = "opencv"\nsource = "/dev/video2"\n')
    inner = load(path, INSIDE)
    assert inner.socket == Path("/run/zaalsleutel/camera_inside.sock")
    assert inner.settings == camera_opencv.Settings(source="/dev/video2")
    path.write_text(GOOD)
    with pytest.raises(Refused) as refused:
        load(path, INSIDE)
    assert refused.value.where == "[camera_inside]"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        pytest.param(("source =", "sauce ="), "[camera] sauce", id="unknown setting"),
        pytest.param(("source =", "# source ="), "[camera] source", id="missing setting"),
        pytest.param(("[camera]", "[camera]\nwidth = 1"), "[camera] width", id="out of range"),
        pytest.param(("[camera]", '[camera]\nwidth = "640"'), "[camera] width", id="of another kind"),
        pytest.param(("/dev/video0", "/etc/passwd"), "[camera]", id="not a camera"),
        pytest.param(("opencv", "telepathy"), "[camera] driver", id="unknown driver"),
        pytest.param(('driver = "opencv"', ""), "[camera] driver", id="no driver"),
        pytest.param(("[camera]", "[kamera]"), "[camera]", id="no camera"),
        pytest.param(("sockets =", "socket ="), "[door] sockets", id="no sockets"),
        pytest.param(("[door]", "door = 1\n[porch]"), "[door]", id="a value for a section"),
    ],
)
def test_a_mistake_is_refused_by_name(config, change, where):
    with pytest.raises(Refused) as refused:
        config(GOOD.replace(*change))
    assert (refused.value.code, refused.value.where) == ("bad_config", where)


@pytest.mark.parametrize("content", [b"[door", b"\xff\xfe", None])
def test_a_file_that_is_no_configuration_is_refused_by_path(content, tmp_path):
    path = tmp_path / "door.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Refused) as refused:
        load(path)
    assert refused.value.where == str(path)
