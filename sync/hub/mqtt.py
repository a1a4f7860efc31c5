"""The one place of the hub that knows paho-mqtt: how a client of ours is made, MQTT 5 over TLS with a certificate.

client = new_client("hub", tls_of(folder))          # what the rest is called: `Client`, `Message`, `Reason`
client.connect_async(host, port, properties=connect_properties(SessionExpiryInterval=3600))
"""

from __future__ import annotations

import ssl
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.client import MQTTMessage as Message
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode as Reason

from controller.formats.errors import Refused

__all__ = ["Client", "Message", "Reason", "connect_properties", "new_client", "tls_of"]

AUTHORITIES, CERTIFICATE, PRIVATE_KEY = "ca.pem", "hub.pem", "hub.key"


def new_client(name: str, tls: ssl.SSLContext, *, manual_ack: bool = False, reconnect: bool = True) -> Client:
    """A client that is not connected yet. `manual_ack`: a message is acknowledged when we say so."""
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=name,
        protocol=MQTTProtocolVersion.MQTTv5,
        manual_ack=manual_ack,
        reconnect_on_failure=reconnect,
    )
    client.tls_set_context(tls)
    return client


def connect_properties(**wanted: int) -> Properties:
    """Properties of MQTT 5's CONNECT, by their names."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    for name, value in wanted.items():
        setattr(properties, name, value)
    return properties


def tls_of(folder: Path) -> ssl.SSLContext:
    """TLS as the hub, with the files in `folder`. Raises Refused `bad_settings`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(folder / CERTIFICATE, folder / PRIVATE_KEY)
        context.load_verify_locations(folder / AUTHORITIES)
    except OSError as error:
        raise Refused("bad_settings", "[folders] tls", f"{folder}: {error}") from None
    return context
