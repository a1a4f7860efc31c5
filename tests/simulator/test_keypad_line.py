"""The far end of the serial keypad."""

import os
import select

import pytest

from simulator.keypad_line import KeypadLine


@pytest.fixture
def line(tmp_path):
    line = KeypadLine(tmp_path / "keypad")
    yield line
    line.close()
    assert not (tmp_path / "keypad").is_symlink()


def test_bytes_pass_unchanged_and_without_echo(line, tmp_path):
    near = os.open(tmp_path / "keypad", os.O_RDWR | os.O_NOCTTY)
    line.press("1\r\n\x03#", 0)
    heard = b""
    while len(heard) < 5:
        assert select.select([near], [], [], 5)[0]
        heard += os.read(near, 64)
    assert heard == b"1\r\n\x03#"
    os.close(near)


def test_a_door_that_closes_and_comes_back_finds_the_line(line, tmp_path):
    for _ in range(2):
        os.close(os.open(tmp_path / "keypad", os.O_RDWR | os.O_NOCTTY))
        line.press("1", 0)


def test_keys_that_cannot_be_sent_are_refused(line):
    with pytest.raises(ValueError, match="ascii"):
        line.press("é", 0)
    line.plug(False)
    line.plug(False)
    assert not line.plugged
    with pytest.raises(ConnectionError, match="unplugged"):
        line.press("1", 0)
    line.plug(True)
    assert line.plugged
