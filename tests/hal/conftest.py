"""The contract suites of the GPIO ports run over every pin factory; see `tests.hal.bench`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hal.bench import MockBench, VirtualBench, bench_of


@pytest.fixture(params=["mock", "virtual", "lgpio"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MockBench | VirtualBench]:
    with bench_of(request.param, tmp_path) as made:
        yield made
