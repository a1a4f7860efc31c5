"""An HTTPS server that gives packages, one a module and as new for each test."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from tests.sync.agent.package_server import PACKAGE, Hub


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    hub = Hub(tmp_path_factory.mktemp("tls"))
    yield hub
    hub.close()


@pytest.fixture
def hub(server: Hub) -> Hub:
    server.cut_after, server.says, server.ranges = None, None, True
    server.asked.clear()
    server.packages = {hashlib.sha256(PACKAGE).hexdigest(): PACKAGE}
    return server
