"""The contract against the hub itself: schemathesis makes up calls from the OpenAPI document and checks every answer.

`ZS_CONTRACT_EXAMPLES=500 pytest tests/sync/hub/test_contract.py` looks longer; a few examples an operation in CI.
"""

import os

import hypothesis
import pytest
import schemathesis
from fastapi.testclient import TestClient
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sync.hub.api import create_app
from sync.hub.log_store import LogStore
from sync.hub.town import read_town
from tests.sync.hub.conftest import NOW, TOWN

EXAMPLES = int(os.environ.get("ZS_CONTRACT_EXAMPLES", "4"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ALL = '["reservations", "records", "rooms", "facility"]'


@pytest.fixture
def app(service, sessions):
    service.apply(read_town(TOWN.replace('["reservations", "records"]', ALL)), NOW)
    return create_app(service, LogStore(sessions), now=lambda: NOW)


def test_every_answer_is_in_the_contract(app, service):
    """R000-20: no server error, no answer that the document does not describe."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    schema.config.generation = GenerationConfig(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    headers = {"Authorization": f"Bearer {service.new_token('booking')}"}
    tried = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()

        @hypothesis.settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
                             suppress_health_check=list(hypothesis.HealthCheck))  # fmt: skip
        @hypothesis.given(case=operation.as_strategy())
        def answers(case):
            case.call_and_validate(headers=headers, checks=CHECKS)

        answers()
        tried += 1
    assert tried >= 20


def test_the_document_has_examples_and_errors_for_every_operation(app):
    """OpenAPI 3.1 with examples; every operation says who may not and what an error looks like."""
    document = TestClient(app).get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation.get("description"), where
            if path.startswith("/v1/"):
                assert "401" in operation["responses"], where
                assert operation.get("security"), where
            for status, answer in operation["responses"].items():
                for media in answer.get("content", {}).values():
                    if status >= "400" and path.startswith("/v1/"):
                        assert media.get("examples"), f"{where} {status}"
    examples = [name for name, schema in document["components"]["schemas"].items() if "examples" in schema]
    assert {"ReservationBody", "ClosureBody", "CredentialBody", "SubscriptionBody"} <= set(examples)
