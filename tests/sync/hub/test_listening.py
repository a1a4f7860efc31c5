"""A hub whose place is taken says so, and does not run without it."""

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.formats.errors import Refused
from simulator.ports import free_port
from sync.hub import cli, server
from sync.hub.listening import listening
from sync.hub.settings import FILE


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield int(other.getsockname()[1])


def test_every_address_of_a_name_is_listened_at():
    sockets = listening("localhost", 0, "[http] port")
    assert {each.getsockname()[0] for each in sockets} >= {"127.0.0.1"}
    for each in sockets:
        each.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_place_that_is_taken_is_named_with_its_setting(taken: int, host: str):
    with pytest.raises(Refused, match=rf"^\[doors\] port: cannot listen at {host} port {taken}: ") as refused:
        listening(host, taken, "[doors] port")
    assert refused.value.code == "cannot_listen"


def test_a_name_that_is_none_is_refused():
    with pytest.raises(Refused, match="cannot_listen"):
        listening("no.such.host.invalid", 0, "[http] port")


@pytest.mark.parametrize("section", ["http", "doors"])
def test_a_hub_does_not_start_without_a_place_for_programs_or_for_doors(
    tmp_path: Path, taken: int, section: str, monkeypatch: pytest.MonkeyPatch
):
    """One that went on without a place for doors would let no unit enrol, and their certificates run out."""
    made = CliRunner().invoke(cli.app, ["init", str(tmp_path), "--host", "localhost"])
    assert made.exit_code == 0, made.output
    free = free_port()
    ports = {"http": free, "doors": free, section: taken}
    settings = tmp_path / FILE
    text = settings.read_text().replace("port = 8080", f"port = {ports['http']}")
    settings.write_text(text.replace("port = 8443", f"port = {ports['doors']}"))
    monkeypatch.setattr(server, "HubLink", lambda *_args, **_options: pytest.fail("nothing may be started"))
    result = CliRunner().invoke(cli.app, ["serve", "--hub", str(tmp_path)])
    assert result.exit_code == 1
    assert f"[{section}] port: cannot listen at" in result.stderr
