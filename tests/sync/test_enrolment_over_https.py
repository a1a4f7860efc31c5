"""The agent's errands to a real HTTPS server of the hub: pinned by the QR, renewed in time, refused by name."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.formats.enrolment_messages import (
    AskRenewal,
    EnrolmentAnswer,
    EnrolmentFailed,
    FoundTrust,
    SendEnrolment,
    SendRenewal,
)
from controller.formats.errors import Refused
from controller.formats.messages import Hello
from simulator.ports import free_port
from sync.agent import https
from sync.agent.enrol import Errands
from sync.hub.doors.enrol_server import DoorsServer
from sync.hub.keys.ca import make_tls
from sync.hub.settings import Address, Doors, Folders, Http, Settings
from tests.sync.hub.enrolling import NOW, Town, UnitAtTheDoor, make_town

PATIENCE_S = 30


class Served(Town):
    """A town whose desk is on the network; `hub` is its place."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.hub, self.server = serve(self, self.tls)


def serve(town: Town, tls: Path) -> tuple[str, DoorsServer]:
    """The desk of a town on the network, with the certificate in `tls`: its place, and the server."""
    port = free_port()
    settings = Settings(
        database="",
        http=Http(host="127.0.0.1", port=1),
        mqtt=Address(host="localhost", port=1),
        folders=Folders(keys=town.keys, tls=tls),
        doors=Doors(host="localhost", port=port, public=f"localhost:{port}"),
    )
    server = DoorsServer(settings, town.sessions, town.desk)
    server.start()
    wait(lambda: listens(port))
    return f"localhost:{port}", server


def listens(port: int) -> bool:
    with socket.create_connection(("localhost", port), 1):
        return True


def wait(ready: Callable[[], Any]) -> Any:
    """What `ready` gives, once it gives something."""
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        try:
            found = ready()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come true")


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> Iterator[Served]:
    served = Served(make_town(tmp_path_factory.mktemp("hub")))
    yield served
    served.server.stop()


@pytest.fixture
def unit(tmp_path, town) -> UnitAtTheDoor:
    return UnitAtTheDoor(tmp_path / "unit", town)


@pytest.fixture
def errands(unit) -> Iterator[Errands]:
    errands = Errands("a-1", unit.identity)
    yield errands
    errands.close()


def said(errands: Errands, now_s: float = 0.0) -> Any:
    return wait(lambda: next(errands.news(now_s), None))


def enrolled(town: Served, unit: UnitAtTheDoor, errands: Errands) -> None:
    """The whole way, over the network."""
    invitation = town.desk.invite("a-1", town.hub, NOW)
    fetch = unit.begin(invitation)
    errands.about(fetch)
    found = said(errands)
    assert isinstance(found, FoundTrust)
    errands.about(unit.found(found))
    answer = said(errands)
    assert isinstance(answer, EnrolmentAnswer), answer
    unit.take(answer.body, install=False)
    town.desk.confirm("a-1", unit.code, NOW)
    errands.introduced(hello(town, unit))
    assert errands.took_certificate()


def hello(town: Served, unit: UnitAtTheDoor) -> Hello:
    authorities = unit.enrolled.step.trust.authorities
    return Hello(door="a-1", authorities=authorities, hub=town.hub, certificate=unit.enrolled.link.certificate)


def test_enrolled_and_renewed_at_two_thirds_of_its_life(town, unit, errands):
    enrolled(town, unit, errands)
    life = unit.identity.life()
    assert life is not None
    day_s = 86_400
    assert 59 * day_s < life.renew_at - NOW.timestamp() < 61 * day_s
    assert next(errands.news(life.renew_at - 60), None) is None, "not before"
    ask = next(errands.news(life.renew_at + 1))
    assert isinstance(ask, AskRenewal)
    assert ask.serial == life.serial
    errands.about(SendRenewal(body=unit.sign(ask)))
    wait(errands.took_certificate)
    after = unit.identity.life()
    assert after is not None
    assert after.serial != life.serial


def test_an_expired_certificate_is_renewed_and_asked_for_soon_again(town, unit, errands):
    enrolled(town, unit, errands)
    life = unit.identity.life()
    assert life is not None
    late_s = life.ends_at + 1_000
    first = next(errands.news(late_s))
    assert next(errands.news(late_s + 60), None) is None
    again = next(errands.news(late_s + 121))
    assert isinstance(first, AskRenewal)
    assert first == again, "the same request: whoever asks twice must not look like two"
    errands.about(SendRenewal(body=unit.sign(again)))
    wait(errands.took_certificate)


def test_a_certificate_that_was_lost_on_the_way_is_taken_from_the_controller(town, unit, errands):
    """Power went after the controller had kept everything and before the agent had its file."""
    enrolled(town, unit, errands)
    unit.identity.request("a-1")
    restarted = Errands("a-1", unit.identity)
    restarted.introduced(hello(town, unit))
    assert not restarted.took_certificate(), "it has it; another request is on its way"
    assert unit.identity.life() is not None
    restarted.close()


def test_a_refusal_of_the_hub_is_told_by_its_name(town, unit, errands):
    fetch = unit.begin(town.desk.invite("a-1", town.hub, NOW))
    errands.about(fetch)
    message = unit.found(said(errands))
    town.desk.invite("a-1", town.hub, NOW)
    errands.about(message)
    assert said(errands) == EnrolmentFailed(reason="replaced")


def test_a_request_without_a_document_goes_nowhere(errands):
    errands.about(SendEnrolment(body="x"))
    assert said(errands) == EnrolmentFailed(reason="unasked")


def test_the_document_is_believed_by_its_hash_alone(town):
    name = town.shelf.needed().hash
    assert https.authorities(https.fetch_trust(town.hub, name))
    with pytest.raises(Refused, match="not_found"):
        https.fetch_trust(town.hub, "00" * 16)


def test_a_server_between_unit_and_hub_gets_no_request(tmp_path, town):
    """It has the trust document, which is public, and a certificate of its own making."""
    make_tls(tmp_path / "own-tls", ["localhost"], NOW)
    hub, server = serve(town, tmp_path / "own-tls")
    try:
        document = https.fetch_trust(hub, town.shelf.needed().hash)
        with pytest.raises(ssl.SSLCertVerificationError):
            https.post(hub, "enrolments", "x", https.authorities(document))
    finally:
        server.stop()


def test_what_is_no_request_is_refused_by_the_server(town):
    trusted = https.authorities(town.shelf.needed().document)
    for what, body in (("enrolments", "x"), ("renewals", "{}"), ("enrolments", "A" * (40 << 10))):
        with pytest.raises(Refused, match=r"bad_request|too_large"):
            https.post(town.hub, what, body, trusted)
