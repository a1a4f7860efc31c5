"""The broker files as shipped, in a real Mosquitto: a door taken over reaches its own branch and nothing else."""

import datetime
import os
import queue
import re
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from simulator.ports import free_port
from sync import topics
from sync.hub.doors.revocation import BrokerFiles, access_rules
from sync.hub.keys.ca import Authority, make_authority, make_tls

SHIPPED = Path(__file__).parents[2] / "firmware-config" / "mosquitto"
BROKER = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
PATIENCE_S = 5
NOW = datetime.datetime.now(datetime.UTC)
HUB = "hub"

needs_broker = pytest.mark.skipif(BROKER is None, reason="mosquitto is not installed")


def test_the_shipped_rules_are_those_the_hub_writes_while_no_door_is_shut_out():
    assert (SHIPPED / "zaalsleutel.acl").read_text() == access_rules()


def test_the_acl_gives_every_topic_its_direction():
    rules = re.findall(r"^pattern (\w+) (\S+)$", (SHIPPED / "zaalsleutel.acl").read_text(), re.MULTILINE)
    assert sorted(rules) == sorted(
        [("read", topics.topic("%u", leaf)) for leaf in topics.DOWN]
        + [("write", topics.topic("%u", leaf)) for leaf in topics.UP]
    )


def certify(authority: Authority, folder: Path, name: str) -> None:
    """Write the client certificate of `name` as `<name>.pem` and `<name>.key`."""
    certificate, private = authority.client(name, NOW)
    (folder / f"{name}.pem").write_bytes(certificate)
    (folder / f"{name}.key").write_bytes(private)


def test_the_hub_has_the_name_the_acl_knows_and_no_door_can_have(tmp_path):
    make_tls(tmp_path, [], NOW)
    subject = x509.load_pem_x509_certificate((tmp_path / "hub.pem").read_bytes()).subject
    (name,) = (str(attribute.value) for attribute in subject.get_attributes_for_oid(NameOID.COMMON_NAME))
    assert f"\nuser {name}\n" in (SHIPPED / "zaalsleutel.acl").read_text()
    assert not re.fullmatch("[a-z0-9-]{1,40}", name)


class Client:
    """One connection; `received` gets every message as (topic, payload)."""

    def __init__(self, port: int, folder: Path, name: str, client_id: str = "") -> None:
        self.received: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.lost: queue.Queue[str] = queue.Queue()
        self._mqtt = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
        self._mqtt.tls_set(str(folder / "ca.pem"), str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
        self._subscribed: queue.Queue[None] = queue.Queue()
        self._mqtt.on_message = lambda _client, _data, message: self.received.put(
            (message.topic, bytes(message.payload))
        )
        self._mqtt.on_disconnect = lambda _client, _data, _flags, reason, _properties: self.lost.put(str(reason))
        self._mqtt.on_subscribe = lambda *_: self._subscribed.put(None)
        self._mqtt.connect("localhost", port, clean_start=True)
        self._mqtt.loop_start()
        # The hub as it does in service; a door asks for everything, as one would that was taken over.
        self.subscribe(*(topics.HUB_SUBSCRIPTIONS if name == HUB else ("#", "zs/1/+/list")))

    def subscribe(self, *wanted: str) -> None:
        self._mqtt.subscribe([(topic, SubscribeOptions(qos=1)) for topic in wanted])
        self._subscribed.get(timeout=PATIENCE_S)

    def publish(self, topic: str, payload: str = "", retain: bool = False) -> None:
        self._mqtt.publish(topic, payload, qos=1, retain=retain).wait_for_publish(PATIENCE_S)

    def next(self) -> tuple[str, bytes]:
        return self.received.get(timeout=PATIENCE_S)

    def close(self) -> None:
        self._mqtt.disconnect()
        self._mqtt.loop_stop()


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A folder with what `hub init` makes, authority, broker and hub, and the certificates of two doors."""
    folder = tmp_path_factory.mktemp("mosquitto")
    make_tls(folder, [], NOW)
    BrokerFiles(folder).write_first()
    for door in ("hall-1", "hall-2"):
        certify(Authority.load(folder), folder, door)
    return folder


@pytest.fixture(scope="module")
def port(town):
    """The port of a broker that runs the shipped files; only paths, port and account are the test's."""
    port = free_port()
    shipped = (SHIPPED / "zaalsleutel.conf").read_text()
    adapted = shipped.replace("/etc/zaalsleutel/broker", str(town)).replace("listener 8883", f"listener {port}")
    assert adapted.count(str(town)) == 5
    configuration = town / "mosquitto.conf"
    configuration.write_text(f"user root\n{adapted}")
    broker = subprocess.Popen([str(BROKER), "-c", str(configuration)], stderr=subprocess.PIPE, text=True)
    assert broker.stderr is not None
    for line in broker.stderr:
        if re.search(r"mosquitto version \S+ running", line):
            break
    else:
        pytest.fail("the broker did not start with the shipped configuration")
    yield port
    broker.terminate()
    broker.communicate(timeout=PATIENCE_S)


@pytest.fixture
def connect(town, port):
    clients = []

    def make(name: str, client_id: str = "") -> Client:
        clients.append(Client(port, town, name, client_id))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@needs_broker
def test_a_door_hears_only_its_own_branch(connect):
    hub, door = connect(HUB), connect("hall-1")
    hub.publish("zs/1/hall-2/list", "for the other one", retain=True)
    hub.publish("zs/1/hall-2/command", "for the other one")
    hub.publish("zs/1/hall-1/list", "for this one")
    assert door.next() == ("zs/1/hall-1/list", b"for this one")


@needs_broker
@pytest.mark.parametrize("leaf", topics.DOWN)
def test_the_hub_reaches_a_door_on_every_topic_down(leaf, connect):
    hub, door = connect(HUB), connect("hall-1")
    hub.publish(topics.topic("hall-1", leaf), leaf)
    assert door.next() == (topics.topic("hall-1", leaf), leaf.encode())


@needs_broker
@pytest.mark.parametrize("leaf", topics.UP)
def test_a_door_speaks_for_itself_only(leaf, connect):
    hub, door = connect(HUB), connect("hall-1")
    door.publish(topics.topic("hall-2", leaf), "forged")
    door.publish(topics.topic("hall-1", leaf), "true")
    assert hub.next() == (topics.topic("hall-1", leaf), b"true")


@needs_broker
def test_a_door_in_the_hubs_share_group_reads_nothing(connect):
    """Mosquitto 2.0 checks deliveries, not subscriptions: such a door is dealt messages, and they are dropped."""
    hub, thief, other = connect(HUB), connect("hall-1"), connect("hall-2")
    thief.subscribe("$share/hub/zs/1/+/events")
    for number in range(6):
        other.publish("zs/1/hall-2/events", str(number))
    hub.publish("zs/1/hall-1/list", "the last word")
    assert thief.next() == ("zs/1/hall-1/list", b"the last word")


@needs_broker
def test_a_door_cannot_write_its_own_list(connect):
    hub, door = connect(HUB), connect("hall-1")
    door.publish("zs/1/hall-1/list", "of its own making", retain=True)
    hub.publish("zs/1/hall-1/list", "from the hub")
    assert door.next() == ("zs/1/hall-1/list", b"from the hub")


@needs_broker
def test_a_borrowed_client_id_throws_nobody_off(connect):
    hub, door = connect(HUB), connect("hall-1", client_id="hall-1")
    connect("hall-2", client_id="hall-1")
    hub.publish("zs/1/hall-1/list", "still there")
    assert door.next() == ("zs/1/hall-1/list", b"still there")
    assert door.lost.empty()


def handshake(port: int, town: Path, prepare) -> bytes:
    """Connect with TLS and send an MQTT CONNECT; the first byte of the answer, empty if there is none."""
    context = ssl.create_default_context(cafile=str(town / "ca.pem"))
    prepare(context)
    with (
        socket.create_connection(("localhost", port), timeout=PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as line,
    ):
        line.sendall(bytes.fromhex("10 0f 00 04 4d515454 05 02 003c 00 0002 6161"))
        return line.recv(1)


@needs_broker
def test_no_certificate_no_connection(port, town):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(port, town, lambda context: None)


@needs_broker
def test_a_certificate_of_another_authority_is_refused(port, town, tmp_path):
    certify(make_authority(NOW), tmp_path, "hall-1")
    files = tmp_path / "hall-1.pem", tmp_path / "hall-1.key"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(port, town, lambda context: context.load_cert_chain(*files))


@needs_broker
def test_tls_older_than_1_2_is_refused(port, town):
    files = town / "hall-1.pem", town / "hall-1.key"

    def old(context: ssl.SSLContext) -> None:
        context.load_cert_chain(*files)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.warns(DeprecationWarning, match="TLSv1_1"), pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(port, town, old)


@needs_broker
def test_this_handshake_succeeds_with_the_right_certificate(port, town):
    """The three refusals above mean something only if the same handshake works otherwise."""
    files = town / "hall-1.pem", town / "hall-1.key"
    connack = 0x20
    assert handshake(port, town, lambda context: context.load_cert_chain(*files)) == bytes([connack])
