"""Certificates that a TLS stack takes, made once."""

import ssl
from datetime import UTC, datetime

import pytest
from cryptography import x509

from controller.formats.errors import Refused
from sync.hub.keys.ca import Authority, make_tls

NOW = datetime(2026, 7, 17, tzinfo=UTC)


def test_the_broker_certificate_names_its_hosts(tmp_path):
    make_tls(tmp_path, ["broker.example", "10.0.0.7"], NOW)
    certificate = x509.load_pem_x509_certificate((tmp_path / "broker.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["broker.example", "localhost"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.7", "127.0.0.1"]


def test_hub_and_broker_shake_hands_and_a_stranger_does_not(tmp_path):
    make_tls(tmp_path / "ours", [], datetime.now(UTC))
    make_tls(tmp_path / "strange", [], datetime.now(UTC))
    assert _shake_hands(tmp_path / "ours", tmp_path / "ours")
    with pytest.raises(ssl.SSLError):
        _shake_hands(tmp_path / "ours", tmp_path / "strange")


def _shake_hands(server_folder, client_folder) -> bool:
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.verify_mode = ssl.CERT_REQUIRED
    for context, folder, name in ((server, server_folder, "broker"), (client, client_folder, "hub")):
        context.load_verify_locations(folder / "ca.pem")
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(6):
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)
    return not ends


def test_a_second_run_makes_nothing_and_a_missing_authority_is_named(tmp_path):
    assert len(make_tls(tmp_path, [], NOW)) == 7
    assert make_tls(tmp_path, [], NOW) == []
    with pytest.raises(Refused, match="holds no authority"):
        Authority.load(tmp_path / "elsewhere")
