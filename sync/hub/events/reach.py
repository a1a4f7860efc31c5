"""Where webhooks may go: to public addresses, and to the networks that `hub.toml` names besides.

    reach = Reach(networks=(ip_network("10.20.0.0/16"),))
    reach.check("https://booking.example/hooks")       # Refused `bad_request`
    status = reach.post(url, body, headers)

Whoever may subscribe must not make the hub knock on doors of the network it stands in. Names are looked up when
something is sent, and the address that was judged is the one connected to: a name cannot stand for another in between.
"""

from __future__ import annotations

import http.client
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from controller.formats.errors import Refused

Network = IPv4Network | IPv6Network
DELIVERY_S = 10.0
"""For all of a delivery from looking up the name to the answer's headers, however slowly they drip."""


IPV4_WITHIN = tuple(IPv6Network(each) for each in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96"))
"""Where the last 32 bits are an IPv4 address, which is the one that is reached, by this machine or by a translator
(NAT64) of its network."""


class AddressRefused(OSError):
    """The name stands for an address that webhooks may not go to."""


@dataclass(frozen=True)
class Reach:
    """`plain` is for trying out: http addresses too, and this machine itself."""

    networks: tuple[Network, ...] = ()
    plain: bool = False

    def check(self, url: str) -> None:
        """What can be said about an address without looking a name up. Raises Refused `bad_request`."""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
            # Splitting checks neither a port nor a name, and sending would be late to find out.
            fine = bool(host and host.encode("idna")) and parts.port != 0 and not parts.username
        except ValueError:
            fine = False
        if not fine or parts.scheme not in ({"https", "http"} if self.plain else {"https"}):
            raise Refused("bad_request", "url", "an https address without a name or password in it")
        literal = "127.0.0.1" if host == "localhost" or host.endswith(".localhost") else host
        try:
            allowed = self.allows(literal)
        except ValueError:
            return  # a name: looked up when something is sent
        if not allowed:
            raise Refused("bad_request", "url", "not a public address, nor one of [http] webhook_networks in hub.toml")

    def allows(self, address: str) -> bool:
        """Whether webhooks may go to an IP address. Raises ValueError for what is none."""
        ip = ip_address(address)
        if isinstance(ip, IPv6Address) and not ip.is_loopback and any(ip in network for network in IPV4_WITHIN):
            ip = IPv4Address(int(ip) & 0xFFFF_FFFF)
        if self.plain and ip.is_loopback:
            return True
        local = ip.is_multicast or (isinstance(ip, IPv6Address) and ip.is_site_local)
        return (ip.is_global and not local) or any(ip in network for network in self.networks)

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        """POST and answer the status, within DELIVERY_S. Redirects are not followed: the address is what was
        subscribed. Raises OSError (TimeoutError when it took longer), HTTPException, ValueError."""
        parts = urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        connection = (http.client.HTTPSConnection if secure else http.client.HTTPConnection)(host, parts.port)
        connection.sock, left_s = self._connected(host, connection.port)
        with _ended_after(left_s, connection.sock):
            try:
                if secure:
                    connection.sock = ssl.create_default_context().wrap_socket(connection.sock, server_hostname=host)
                path = parts.path or "/"
                connection.request("POST", f"{path}?{parts.query}" if parts.query else path, body, headers)
                return connection.getresponse().status
            finally:
                connection.close()

    def _connected(self, host: str, port: int) -> tuple[socket.socket, float]:
        """A connection, and how many seconds are left for using it."""
        until_s = time.monotonic() + DELIVERY_S
        error: OSError = AddressRefused(f"{host} is in no network that webhooks may go to")
        for address in dict.fromkeys(_looked_up(host, port)):
            if not self.allows(address):
                continue
            try:
                made = socket.create_connection((address, port), max(until_s - time.monotonic(), 0.1))
            except OSError as failed:
                error = failed
            else:
                return made, until_s - time.monotonic()
        raise error


def _looked_up(host: str, port: int) -> list[str]:
    """The addresses of a name, within DELIVERY_S: several name servers that are silent take the resolver minutes.
    Nothing interrupts it, so it is left to end by itself. Raises OSError, UnicodeError."""
    answers = queue.SimpleQueue[list[str] | Exception]()

    def look_up() -> None:
        try:
            answers.put([str(where[0]) for *_, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
        except Exception as error:
            answers.put(error)

    threading.Thread(target=look_up, name="hub-look-up", daemon=True).start()
    try:
        answer = answers.get(timeout=DELIVERY_S)
    except queue.Empty:
        raise TimeoutError(f"{host} was not looked up in time") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


@contextmanager
def _ended_after(seconds: float, connected: socket.socket) -> Iterator[None]:
    """Ends a connection from outside when its time is over: a socket's timeout begins anew with every byte, and the
    standard library's HTTP knows no other. Raises TimeoutError then, whatever came of it."""
    over = threading.Event()
    with connected.dup() as same:  # TLS takes the first one away

        def end() -> None:
            over.set()
            with suppress(OSError):  # the other side was quicker
                same.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, end)
        timer.start()
        try:
            yield
        except (OSError, http.client.HTTPException):
            if not over.is_set():
                raise
        finally:
            timer.cancel()
            timer.join()
    if over.is_set():
        raise TimeoutError
