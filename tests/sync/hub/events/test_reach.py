"""Where webhooks may go, judged by the address that is connected to."""

import socket
import threading
import time
from ipaddress import ip_network

import pytest

from controller.formats.errors import Refused
from sync.hub.events import reach as reach_module
from sync.hub.events.reach import AddressRefused, Reach

PUBLIC = ("93.184.216.34", "64:ff9b::93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946")
CLOSED = (
    *("127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"),  # this machine
    *("0.0.0.0", "::"),
    *("169.254.169.254", "fe80::1", "::ffff:169.254.169.254"),  # link-local, and the metadata of clouds
    *("10.0.0.5", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "::ffff:192.168.1.1"),  # private
    *(
        "64:ff9b::10.0.0.5",
        "64:ff9b::127.0.0.1",
        "::10.0.0.5",
        "::ffff:0:10.0.0.5",
        "fec0::1",
    ),  # by a translator, by site
    *("224.0.0.1", "239.1.1.1", "ff02::1", "255.255.255.255"),  # to many
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_open(address: str):
    assert Reach().allows(address)


@pytest.mark.parametrize("address", CLOSED)
def test_every_other_network_is_closed(address: str):
    assert not Reach().allows(address)


def test_named_networks_are_open_and_no_others():
    reach = Reach((ip_network("10.20.0.0/16"), ip_network("fd00:1::/32")))
    assert reach.allows("10.20.3.4")
    assert reach.allows("::ffff:10.20.3.4")
    assert reach.allows("fd00:1::5")
    assert reach.allows("64:ff9b::10.20.3.4")
    assert not reach.allows("10.21.0.1")
    assert not reach.allows("127.0.0.1")
    reach.check("https://10.20.3.4/hooks")


def test_for_trying_out_this_machine_is_open_and_no_other():
    reach = Reach(plain=True)
    assert reach.allows("127.0.0.1")
    assert reach.allows("::1")
    assert not reach.allows("192.168.1.1")
    assert not reach.allows("169.254.169.254")
    reach.check("http://localhost:8080/hooks")


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "localhost", "booking.localhost"])
def test_what_needs_no_look_up_is_refused_when_somebody_subscribes(host: str):
    with pytest.raises(Refused, match="webhook_networks"):
        Reach().check(f"https://{host}/hooks")


@pytest.mark.parametrize("host", ["booking.example", "2130706433", "0x7f.1", "127.1"])
def test_a_name_is_judged_by_the_address_it_stands_for_when_something_is_sent(
    host: str, monkeypatch: pytest.MonkeyPatch
):
    """Also a name that stood for a public address when somebody subscribed, and other spellings of an address."""
    reach = Reach()
    reach.check(f"https://{host}/hooks")
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 443)) for each in ("127.0.0.1", "10.0.0.5")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: found)
    monkeypatch.setattr(socket, "create_connection", lambda *_args: pytest.fail("nothing may be connected to"))
    with pytest.raises(AddressRefused):
        reach.post(f"https://{host}/hooks", b"{}", {})


def test_the_address_that_was_judged_is_connected_to(monkeypatch: pytest.MonkeyPatch):
    """A name looked up a second time could stand for something else by then."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 443)) for each in ("10.0.0.5", PUBLIC[0])]
    asked, tried = [], []

    def look_up(*_args, **_options):
        asked.append(1)
        return found

    def connect(where, _timeout):
        tried.append(where)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(ConnectionRefusedError):
        Reach().post("https://booking.example/hooks", b"{}", {})
    assert (asked, tried) == ([1], [(PUBLIC[0], 443)])


def test_a_name_server_that_is_silent_ends_with_the_delivery(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reach_module, "DELIVERY_S", 0.1)
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: answered.wait(5) and [])
    began_s = time.monotonic()
    with pytest.raises(TimeoutError):
        Reach().post("https://booking.example/hooks", b"{}", {})
    assert time.monotonic() - began_s < 3
    answered.set()


def test_a_name_that_there_is_not_is_told(monkeypatch: pytest.MonkeyPatch):
    def unknown(*_args, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(socket.gaierror):
        Reach().post("https://booking.example/hooks", b"{}", {})


@pytest.mark.parametrize("answer", [b"HTTP/1.1 204 No Content\r\nX: ", b"HTTP/1."])
def test_an_answer_that_drips_ends_with_the_delivery(monkeypatch: pytest.MonkeyPatch, answer: bytes):
    monkeypatch.setattr(reach_module, "DELIVERY_S", 0.3)
    ended = threading.Event()

    def drip() -> None:
        there, _ = listening.accept()
        with there:
            there.recv(1 << 16)
            there.sendall(answer)
            while not ended.wait(0.05):
                there.send(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        other_side = threading.Thread(target=drip)
        other_side.start()
        began_s = time.monotonic()
        with pytest.raises(TimeoutError):
            Reach(plain=True).post(f"http://127.0.0.1:{listening.getsockname()[1]}/hooks", b"{}", {})
        took_s = time.monotonic() - began_s
        ended.set()
        other_side.join()
    assert 0.2 < took_s < 3
