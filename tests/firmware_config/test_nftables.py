"""The firewall as shipped, loaded into a network of its own, with real packets from both sides."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SHIPPED = Path(__file__).parents[2] / "firmware-config" / "nftables" / "zaalsleutel.nft"
ALLOWED_TCP = {53, 443, 4460, 8443, 8883}
ALLOWED_UDP = {53, 67, 123, 547}


def test_nothing_but_the_list_goes_out():
    """As text, so that it holds where no nft is installed."""
    out = SHIPPED.read_text().partition("chain out {")[2]
    ports: dict[str, set[int]] = {"tcp": set(), "udp": set()}
    for protocol, listed in re.findall(r"(tcp|udp) dport (\{[^}]+\}|\d+)", out):
        ports[protocol] |= {int(port) for port in re.findall(r"\d+", listed)}
    assert ports == {"tcp": ALLOWED_TCP, "udp": ALLOWED_UDP}
    assert SHIPPED.read_text().count("policy drop;") == 3


# Two networks joined by a cable: `door` with the firewall, `town` without. Everything is gone when the process ends.
STAGE = r"""
set -e
ip link set lo up
unshare -n sleep 20 >/dev/null & town=$!
trap 'kill $town' EXIT
until [ "$(readlink /proc/$town/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
ip link add door0 type veth peer name town0 netns $town
ip addr add 10.9.9.1/24 dev door0 && ip link set door0 up
in_town() { nsenter --net=/proc/$town/ns/net "$@"; }
in_town ip addr add 10.9.9.2/24 dev town0 && in_town ip link set town0 up && in_town ip link set lo up
nft -f "$1"
"$2" -c "$LISTEN" 10.9.9.1 22 443 8883 >/dev/null & door_listens=$!
ports="22 53 80 443 1883 4460 8443 8883"
nsenter --net=/proc/$town/ns/net "$2" -c "$LISTEN" 10.9.9.2 $ports >/dev/null & town_listens=$!
trap 'kill $town $door_listens $town_listens' EXIT
echo "out $("$2" -c "$CONNECT" 10.9.9.2 $ports)"
echo "in $(in_town "$2" -c "$CONNECT" 10.9.9.1 22 443 8883)"
echo "ping $(in_town "$2" -c "$PING")"
"""
LISTEN = """
import socket, sys, time
held = [socket.create_server((sys.argv[1], int(port))) for port in sys.argv[2:]]
time.sleep(20)
"""
# A dropped packet is silence: what is not connected in time is closed. All at once, after the listeners had their time.
CONNECT = """
import selectors, socket, sys, time
time.sleep(0.3)
waiting = selectors.DefaultSelector()
for port in sys.argv[2:]:
    connection = socket.socket()
    connection.setblocking(False)
    connection.connect_ex((sys.argv[1], int(port)))
    waiting.register(connection, selectors.EVENT_WRITE, port)
reached, end = set(), time.monotonic() + 1.0
while (left := end - time.monotonic()) > 0 and waiting.get_map():
    for event, _ in waiting.select(left):
        waiting.unregister(event.fileobj)
        if event.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            reached.add(int(event.data))
print(*sorted(reached))
"""
PING = """
import socket
echo = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
echo.settimeout(0.5)
echo.sendto(bytes.fromhex("0800f7ff00000000"), ("10.9.9.1", 0))
try:
    print(echo.recv(100)[20])
except TimeoutError:
    print("silence")
"""


def test_real_packets_meet_it():
    for command in ("nft", "ip", "unshare", "nsenter"):
        if shutil.which(command, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
            pytest.skip(f"{command} is not installed")
    alone = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody have a network of their own (unshare --net)")
    done = subprocess.run(
        [*alone, "bash", "-c", STAGE, "stage", str(SHIPPED), sys.executable],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LISTEN": LISTEN, "CONNECT": CONNECT, "PING": PING},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    out, inward, ping = (line.split()[1:] for line in done.stdout.splitlines())
    assert {int(port) for port in out} == ALLOWED_TCP
    assert inward == []
    assert ping == ["silence"]
