"""One package over HTTPS, whatever becomes of the line, the disk or the hub on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.formats.errors import Refused
from controller.formats.update import Update
from sync.agent import fetch as fetching
from sync.agent import https
from sync.agent.fetch import RESERVE_BYTES, GivenUp, Source, fetch
from sync.hub.keys.ca import make_tls
from tests.sync.agent.package_server import PACKAGE, Hub, update
from tests.sync.hub.enrolling import NOW

PLENTY = 1 << 40


def take(hub: Hub, part: Path, wanted: Update | None = None, room: int = PLENTY, going_on: bool = True) -> None:
    fetch(hub.source, wanted or update(), part, lambda: room, lambda: going_on)


def test_a_package_is_fetched_whole(hub, tmp_path):
    take(hub, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == PACKAGE
    take(hub, tmp_path / "part")
    assert hub.asked == [0], "what is there is not fetched again"


@pytest.mark.parametrize("ranges", [True, False], ids=["goes on", "starts again"])
def test_after_a_cut_it_comes_to_an_end_all_the_same(hub, tmp_path, ranges):
    hub.cut_after, hub.ranges = fetching.CHUNK_BYTES + 5, ranges
    with pytest.raises(Refused, match="unreachable"):
        take(hub, tmp_path / "part")
    kept = (tmp_path / "part").stat().st_size
    assert kept >= fetching.CHUNK_BYTES
    take(hub, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == PACKAGE
    assert hub.asked == [0, kept]


def test_another_package_than_was_signed_for_is_not_kept(hub, tmp_path):
    hub.packages = {update().sha256: PACKAGE[:-1] + b"x"}
    with pytest.raises(Refused, match="wrong_package"):
        take(hub, tmp_path / "part")
    assert not (tmp_path / "part").exists()


def test_what_was_kept_is_looked_at_too(hub, tmp_path):
    (tmp_path / "part").write_bytes(b"\0" * fetching.CHUNK_BYTES)
    with pytest.raises(Refused, match="wrong_package"):
        take(hub, tmp_path / "part")
    take(hub, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == PACKAGE


def test_no_byte_more_than_was_signed_for_is_written(hub, tmp_path):
    short = update(PACKAGE[:1000])
    hub.packages = {short.sha256: PACKAGE}
    (tmp_path / "part").write_bytes(PACKAGE)
    take(hub, tmp_path / "part", short)
    assert (tmp_path / "part").read_bytes() == PACKAGE[:1000]


def test_a_disk_that_fills_up_is_left_its_reserve(hub, tmp_path):
    with pytest.raises(Refused, match="disk_full"):
        take(hub, tmp_path / "part", room=RESERVE_BYTES - 1)
    assert (tmp_path / "part").stat().st_size == 0


@pytest.mark.parametrize(
    ("status", "code"), [(503, "busy"), (404, "not_found"), (500, "hub_failed"), (301, "hub_failed")]
)
def test_what_the_hub_refuses(hub, tmp_path, status, code):
    (tmp_path / "part").write_bytes(PACKAGE[:100])
    hub.says = status
    with pytest.raises(Refused, match=code):
        take(hub, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == PACKAGE[:100]


def test_a_hub_that_nobody_vouches_for_gets_no_connection(hub, tmp_path):
    make_tls(tmp_path, ["localhost"], NOW)
    for authorities, code in (
        ((tmp_path / "ca.pem").read_text(), "unreachable"),
        ("", "no_authority"),
        ("x", "no_auth"),
    ):
        with pytest.raises(Refused, match=code):
            fetch(Source(hub.source.hub, authorities), update(), tmp_path / "part", lambda: PLENTY, lambda: True)
    assert hub.asked == []


@pytest.mark.parametrize("name", ["hub..example", "h" * 64, "."])
def test_a_hub_whose_name_cannot_be_one_is_not_reached(hub, tmp_path, name):
    source = Source(name, hub.source.authorities)
    with pytest.raises(Refused, match="unreachable"):
        fetch(source, update(), tmp_path / "part", lambda: PLENTY, lambda: True)
    with pytest.raises(OSError, match="label"):
        https.fetch_trust(name, "0" * 64)


def test_what_nobody_wants_any_more_is_left(hub, tmp_path):
    with pytest.raises(GivenUp):
        take(hub, tmp_path / "part", going_on=False)
