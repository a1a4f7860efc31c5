"""Image files: what is one is loaded, everything else is refused and nothing worse."""

import json
import os
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.camera import picture_file, reader
from controller.formats.errors import Refused
from tests.controller.camera.scenes import PASS, centred, code, png

PICTURE = centred(code())
FILES = {kind: cv2.imencode(kind, PICTURE)[1].tobytes() for kind in (".png", ".jpg", ".bmp", ".webp", ".tiff", ".pgm")}


@pytest.mark.parametrize("kind", FILES)
def test_the_usual_kinds_are_loaded(kind, tmp_path):
    path = tmp_path / f"pass{kind}"
    path.write_bytes(FILES[kind])
    frame = picture_file.load(path)
    assert frame.dtype == np.uint8
    assert frame.shape == (480, 640)
    assert reader.read(frame) == [PASS]


def test_colour_becomes_grey():
    colour = cv2.cvtColor(PICTURE, cv2.COLOR_GRAY2BGR).astype(np.uint8)
    assert reader.read(picture_file.decode(png(colour), "pass.png")) == [PASS]


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_black_on_nothing_is_black_on_white(depth):
    drawn, most = code(), np.iinfo(depth).max
    seen_through = np.zeros((*drawn.shape, 4), depth)
    seen_through[:, :, 3] = np.where(drawn == 0, most, 0)
    assert reader.read(picture_file.decode(cv2.imencode(".png", seen_through)[1].tobytes(), "pass.png")) == [PASS]


def test_a_photograph_taken_sideways_or_in_a_mirror_is_read():
    for seen in (np.rot90(PICTURE), PICTURE[:, ::-1], 255 - PICTURE):
        assert reader.read(picture_file.decode(png(np.ascontiguousarray(seen, np.uint8)), "pass.png")) == [PASS]


@pytest.mark.parametrize("name", ["missing.png", "", "a\0b.png"])
def test_what_cannot_be_opened_is_unreadable(name, tmp_path):
    with pytest.raises(Refused) as refused:
        picture_file.load(tmp_path / name)
    assert refused.value.code == "unreadable"
    assert refused.value.where == str(tmp_path / name)


def test_a_pipe_is_read_to_its_end_and_none_is_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(Refused) as refused:
        picture_file.load(tmp_path / "fifo")
    assert refused.value.code == "not_an_image"
    reading, writing = os.pipe()
    with open(reading, "rb"), open(writing, "wb", buffering=0) as late:

        def write() -> None:
            late.write(FILES[".png"])
            late.close()

        writer = threading.Timer(0.2, write)
        writer.start()
        assert reader.read(picture_file.load(Path(f"/dev/fd/{reading}"))) == [PASS]
        writer.join()


def test_of_several_pictures_the_first_counts():
    several = cv2.imencodemulti(".tiff", [PICTURE, np.full_like(PICTURE, 255)])[1].tobytes()
    assert reader.read(picture_file.decode(several, "two.tiff")) == [PASS]


def test_a_file_without_end_is_too_large(monkeypatch):
    monkeypatch.setattr(picture_file, "FILE_BYTES_MAX", 1000)
    with pytest.raises(Refused) as refused:
        picture_file.load(Path("/dev/zero"))
    assert refused.value.code == "too_large"


@pytest.mark.parametrize("data", [b"", b"ZS1:", FILES[".png"][:60], b"P5 0 0 255\n", b"P5 -1 99999 255\n"])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(Refused) as refused:
        picture_file.decode(data, "some.png")
    assert (refused.value.code, refused.value.where) == ("not_an_image", "some.png")


def read_or_refused(data: bytes) -> None:
    try:
        texts = reader.read(picture_file.decode(data, "fuzzed"))
    except Refused:
        return
    assert all(isinstance(text, str) for text in texts)


@given(st.sampled_from(sorted(FILES)), st.binary(max_size=200), st.integers(0, 30))
def test_any_bytes_are_read_or_refused(kind, tail, head):
    read_or_refused(FILES[kind][:head] + tail)


@given(
    st.sampled_from(sorted(FILES)), st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=8)
)
def test_damaged_images_are_read_or_refused(kind, damage):
    data = bytearray(FILES[kind])
    for place, flip in damage:
        data[int(place * (len(data) - 1))] ^= flip
    read_or_refused(bytes(data))


def white_png(side_px: int) -> bytes:
    """A square PNG of one bit a pixel: a few kilobytes, whatever its size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side_px, side_px, 1, 0, 0, 0, 0)
    rows = (b"\0" + b"\xff" * ((side_px + 7) // 8)) * side_px
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_image_libraries_say_nothing_themselves(tmp_path):
    whole = white_png(64)
    (tmp_path / "odd.png").write_bytes(whole[:33] + b"\0\0\0\x01tEXta\0\0\0\0" + whole[33:])  # a wrong checksum
    jpeg = FILES[".jpg"]
    (tmp_path / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    program = "import zaalsleutel; zaalsleutel.main(['qr', 'read', '--json', 'odd.png', 'cut.jpg', 'gone.png'])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert (len(done.stdout.splitlines()), done.stderr) == (3, "")


def test_a_bomb_is_refused_and_not_unfolded(tmp_path):
    (tmp_path / "white.png").write_bytes(white_png(1_000))
    (tmp_path / "bomb.png").write_bytes(white_png(12_000))
    # In a process of its own: OpenCV takes its limit when it is loaded.
    program = "import zaalsleutel; zaalsleutel.main(['qr', 'read', '--json', 'white.png', 'bomb.png'])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == 1
    white, bomb = map(json.loads, done.stdout.splitlines())
    assert "error" not in white
    assert "not an image" in bomb["error"]
