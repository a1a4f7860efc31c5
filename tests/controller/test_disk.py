"""Files that are whole or not there."""

import os
from pathlib import Path

import pytest

from controller.codelist import Floors
from controller.disk import FLOORS, read_floors, remove_other_lists, replace_file, write_floors

FULL = Floors("ab" * 32, 7, 8, 9, 2, 1)


def test_floors_come_back(tmp_path: Path):
    assert read_floors(tmp_path) is None
    write_floors(tmp_path, FULL)
    assert read_floors(tmp_path) == FULL
    assert (tmp_path / FLOORS).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"null",
        b'{"clock_s":1,"list_hash":null,"list_version":1}',
        b'{"clock_s":1,"list_hash":null,"list_version":1,"receipt":0,"more":1}',
        b'{"clock_s":1,"list_hash":null,"list_version":"1","receipt":0}',
        b'{"clock_s":1,"list_hash":null,"list_version":9,"list_version":1,"receipt":0}',
        b"\xff",
    ],
)
def test_damaged_floors_are_not_taken_for_none(tmp_path: Path, content: bytes):
    (tmp_path / FLOORS).write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        read_floors(tmp_path)


def test_a_file_that_cannot_be_moved_into_place_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_floors(tmp_path, FULL)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_floors(tmp_path, Floors())
    assert read_floors(tmp_path) == FULL


def test_a_leftover_of_an_earlier_cut_is_in_nobodys_way(tmp_path: Path):
    (tmp_path / "a.new").write_bytes(b"half of something long")
    replace_file(tmp_path / "a", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"new"}


def test_lists_nobody_names_go(tmp_path: Path):
    for name in ("list-aa", "list-bb", "list-aa.new", "other"):
        (tmp_path / name).write_bytes(b"x")
    remove_other_lists(tmp_path, "aa")
    assert {path.name for path in tmp_path.iterdir()} == {"list-aa", "other"}
    remove_other_lists(tmp_path, None)
    assert {path.name for path in tmp_path.iterdir()} == {"other"}
