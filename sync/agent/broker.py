"""The broker at the other end of one TCP connection: paho-mqtt (MQTT 5) under a loop that is not its own.

    broker = Broker("hall-1", "broker.example", 8883, tls)
    broker.connect()                        # then select on it, read(), write(), and tend() every second
    for event in broker.events(): ...       # Connected, Disconnected, Received

A connection is never reused: what paho had queued for the last one is not ours to resend, the link decides that. What
the broker holds for us meanwhile (QoS 1) survives in its session.
"""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from controller.formats.limits import LIMITS
from controller.formats.state import OFFLINE
from sync.agent.link import Connected, Disconnected, Publish, Received
from sync.topics import topic

KEEPALIVE_S = 30
# How long the broker keeps what comes at QoS 1 while we are away; the retained messages do not depend on it.
SESSION_EXPIRY_S = 3600
# TCP and TLS handshake happen inside connect(): the one place where the agent waits. Nothing at the door waits for it.
CONNECT_TIMEOUT_S = 5.0
# More unacknowledged messages than this and the connection is as good as dead.
UNACKNOWLEDGED = 16

log = logging.getLogger(__name__)


class Broker:
    """One session after the other with the broker, as one door."""

    def __init__(self, door: str, host: str | None = None, port: int = 8883, tls: ssl.SSLContext | None = None) -> None:
        self.address = None if host is None else (host, port)
        self.tls = tls
        self._door = door
        self._client: Client | None = None
        self._events: list[Connected | Disconnected | Received] = []
        self._clean = True

    def connect(self) -> None:
        """Connect and say hello. What comes of it arrives as an event; before there are `address` and `tls` nothing
        comes of it."""
        self.abort()
        if self.address is None or self.tls is None:
            self._lost()
            return
        client = self._client = self._new_client(self.tls)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.MaximumPacketSize = LIMITS.sync_line_bytes
        try:
            client.connect(*self.address, keepalive=KEEPALIVE_S, clean_start=self._clean, properties=properties)
        except (OSError, ValueError) as error:  # ValueError: a host name that cannot be one
            log.warning("no connection to the broker: %s", error)
            self._lost()

    def abort(self) -> None:
        """Drop the connection without a word: the broker publishes the last will."""
        if self._client is None:
            return
        client, self._client = self._client, None
        connection = client.socket()
        client.on_disconnect = None
        if connection is not None:
            connection.close()

    def leave(self) -> None:
        """Come back as somebody else, or elsewhere: end a connection that is there, and tell it."""
        if self._client is not None:
            self._lost()

    def close(self) -> None:
        """Say good-bye, and let the broker publish the last will all the same: the door is unreachable now."""
        if self._client is not None:
            self._client.disconnect(ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message"))
            self._client.loop_write()
        self.abort()

    def socket(self) -> ssl.SSLSocket | None:
        """What to select on, None without a connection."""
        connection: Any = self._client.socket() if self._client else None
        return connection if isinstance(connection, ssl.SSLSocket) else None

    def wants_to_write(self) -> bool:
        return self._client is not None and self._client.want_write()

    def read(self) -> None:
        """Take what has arrived; also what TLS has decrypted already and no selector would announce."""
        while self._client is not None:
            if self._done(self._client.loop_read()):
                return
            connection = self.socket()
            if connection is None or not connection.pending():
                return

    def write(self) -> None:
        """Send what waits."""
        if self._client is not None:
            self._done(self._client.loop_write())

    def tend(self) -> None:
        """Keepalive; to be called about every second."""
        if self._client is not None:
            self._done(self._client.loop_misc())

    def subscribe(self, topics: tuple[str, ...]) -> None:
        if self._client is not None:
            result, _ = self._client.subscribe([(name, 1) for name in topics])
            self._done(result)

    def publish(self, message: Publish) -> None:
        if self._client is not None:
            sent = self._client.publish(message.topic, message.payload, qos=1, retain=message.retain)
            self._done(sent.rc)

    def events(self) -> list[Connected | Disconnected | Received]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    def _new_client(self, tls: ssl.SSLContext) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._door,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(UNACKNOWLEDGED)
        client.max_queued_messages_set(UNACKNOWLEDGED)
        client.tls_set_context(tls)
        client.will_set(topic(self._door, "state"), OFFLINE, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        return client

    def _on_connect(
        self, _client: Client, _data: object, _flags: object, reason: ReasonCode, _properties: object
    ) -> None:
        if reason.is_failure:
            log.warning("the broker refuses us: %s", reason)
            return
        log.info("connected to the broker")
        self._clean = False
        self._events.append(Connected())

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._events.append(Received(message.topic, bytes(message.payload)))

    def _done(self, result: MQTTErrorCode) -> bool:
        """Whether the connection is over after this result."""
        if result == MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        log.warning("lost the broker: %s", MQTTErrorCode(result).name)
        self._lost()
        return True

    def _lost(self) -> None:
        self.abort()
        self._events.append(Disconnected())


def tls_context(certificate: Path, private_key: Path | None, authorities: str) -> ssl.SSLContext:
    """TLS 1.2 or newer with our client certificate, whose key is in the same file unless `private_key` is given; the
    broker must be vouched for by `authorities` (PEM text). Raises OSError (of which ssl.SSLError is one) when a file
    cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, private_key)
    context.load_verify_locations(cadata=authorities)
    return context
