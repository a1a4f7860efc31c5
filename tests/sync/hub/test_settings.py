"""`hub.toml`: what is mistyped is refused with its place."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from controller.formats.errors import Refused
from sync.hub.settings import FILE, TEMPLATE, read_settings


def with_http(folder: Path, line: str) -> Path:
    text = TEMPLATE.format(broker="localhost").replace("port = 8080", f"port = 8080\n{line}")
    (folder / FILE).write_text(text)
    return folder


def test_networks_for_webhooks_are_none_unless_named(tmp_path: Path):
    assert read_settings(with_http(tmp_path, "")).http.reachable == ()
    named = read_settings(with_http(tmp_path, 'webhook_networks = ["10.20.0.0/16", "fd00:1::/32"]')).http.reachable
    assert named == (ip_network("10.20.0.0/16"), ip_network("fd00:1::/32"))


@pytest.mark.parametrize("line", ['webhook_networks = ["town"]', 'webhook_networks = ["10.20.3.4/16"]'])
def test_a_network_that_is_none_is_refused_by_name(tmp_path: Path, line: str):
    with pytest.raises(Refused, match=r"^\[http\] webhook_networks: ") as refused:
        read_settings(with_http(tmp_path, line))
    assert refused.value.code == "bad_settings"


def test_an_unknown_setting_is_refused_by_name(tmp_path: Path):
    with pytest.raises(Refused, match=r"\[http\].*webhook_hosts"):
        read_settings(with_http(tmp_path, "webhook_hosts = []"))
