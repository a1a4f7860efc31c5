"""The contract against the hub itself: schemathesis makes up calls from the whole OpenAPI document that `hub serve`
gives, alone and one leading to the next, and checks every answer.

`ZS_CONTRACT_EXAMPLES=300 pytest tests/sync/hub/api/test_contract.py` looks longer; a few examples an operation in CI.
"""

import contextlib
import os
from collections import Counter
from functools import partial

import hypothesis
import pytest
import schemathesis
from fastapi.testclient import TestClient
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from controller.formats.enrolment import Broker
from sync.hub.adapters.routes import adapter_routes
from sync.hub.adapters.settings import Adapters
from sync.hub.adapters.switchboard import Switchboard
from sync.hub.api.app import create_app
from sync.hub.api.routes_enrolment import enrolment_routes
from sync.hub.api.routes_records import record_routes
from sync.hub.artefacts.desk import Desk
from sync.hub.artefacts.house_rules import HouseRules
from sync.hub.artefacts.routes import artefact_routes
from sync.hub.audit.client_records import ClientRecords
from sync.hub.doors.enrol_desk import EnrolDesk, Place
from sync.hub.keys.link_keys import LinkKeys
from sync.hub.keys.trust_shelf import TRUST, TrustShelf
from sync.hub.records.log_store import LogStore
from sync.hub.town.town_file import read_town
from tests.sync.hub.conftest import NOW, ROOM_A, TOWN

EXAMPLES = int(os.environ.get("ZS_CONTRACT_EXAMPLES", "4"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ALL = '["reservations", "records", "rooms", "facility", "stats"]'
SETTINGS = hypothesis.settings(
    max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, report_multiple_bugs=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)  # fmt: skip
ROOMS = (ROOM_A, "B")


@pytest.fixture
def app(service, sessions, keyring, tmp_path):
    """Every route there is."""
    service.apply(read_town(TOWN.replace('["reservations", "records"]', ALL)), NOW)
    place = Place(tmp_path, lambda: LinkKeys.load(tmp_path), TrustShelf(tmp_path / TRUST), Broker(host="b", port=1))
    rules = HouseRules()
    more = [
        partial(enrolment_routes, service, EnrolDesk(sessions, keyring, place)),
        partial(record_routes, ClientRecords(service, sessions)),
        partial(artefact_routes, Desk(sessions, keyring, rules)),
        partial(adapter_routes, Switchboard(service, sessions, Adapters()), sessions, rules.name),
    ]
    return create_app(service, LogStore(sessions), now=lambda: NOW, more=more)


@pytest.fixture
def schema(app):
    made = schemathesis.openapi.from_asgi("/openapi.json", app)
    made.config.generation = GenerationConfig(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    return made


@pytest.fixture
def headers(app, service):
    return {"Authorization": f"Bearer {service.new_token('booking')}"}


def of_this_town(case) -> None:
    """What nobody can make up: rooms of the town, and times that are still to come. Every fourth call that may be right
    stays as it is, and so does everything that is meant to be wrong."""
    chosen = sum(repr(case.body).encode()) if isinstance(case.body, dict) else 0
    if not chosen % 4 or case.meta is None or case.meta.generation.mode is GenerationMode.NEGATIVE:
        return
    if case.operation.path in {"/v1/reservations/{ref}", "/v1/swaps"}:
        wanted = case.body.get("activate", case.body)
        day = f"2026-07-{15 + chosen % 14}"
        wanted["rooms"] = [ROOMS[chosen % 2]]
        wanted["windows"] = [{"start": f"{day}T{chosen % 20:02}:00:00Z", "end": f"{day}T{chosen % 20 + 2:02}:30:00Z"}]
        wanted["state"], wanted["reveal"], wanted["replaces"] = "active", "PT0M", None
        wanted.update(series=[], dates=[], long_term=None, correlation={}, share_group=None)
        wanted["holder"] = {"ref": f"h-{chosen}", "kind": "association"}
    elif case.operation.path == "/v1/closures/{ref}":
        case.body.update(room=ROOM_A, start="2026-07-20T08:00:00Z", end="2026-07-21T08:00:00Z")
    elif case.operation.path == "/v1/reservations/{ref}/handovers":
        case.body["at"] = "2026-07-14T03:34:00Z"
    elif case.operation.path == "/v1/reservations/{ref}/credentials":
        case.body["holder"] = f"h-{chosen}"


def test_every_answer_is_in_the_contract(schema, headers):
    """R000-20: no server error, no answer that the document does not describe."""
    tried = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()

        @SETTINGS
        @hypothesis.given(case=operation.as_strategy())
        def answers(case):
            of_this_town(case)
            case.call_and_validate(headers=headers, checks=CHECKS)

        answers()
        tried += 1
    assert tried >= 32


def test_what_one_answer_leads_to_is_in_the_contract_too(schema, headers):
    """By the links of the document: a reservation is put, read, revealed, rotated, handed over, printed, and ended."""
    seen: Counter[tuple[str, int]] = Counter()
    wrong: list[str] = []

    class Caller(schema.as_state_machine()):  # type: ignore[misc]
        def before_call(self, case):
            of_this_town(case)

        def get_call_kwargs(self, case):
            return {"headers": headers}

        def validate_response(self, response, case, additional_checks=None, **kwargs):
            seen[case.operation.label, response.status_code] += 1
            try:
                case.validate_response(response, checks=CHECKS, transport_kwargs=kwargs or None)
            except FailureGroup as failed:
                wrong.append(str(failed))

    # The hub remembers what earlier scenarios did, so a scenario that is played again need not go the same way.
    with contextlib.suppress(hypothesis.errors.Flaky):
        Caller.run(settings=hypothesis.settings(SETTINGS, stateful_step_count=12))
    assert wrong == []
    followed = {label for label, status in seen if status < 300}
    if EXAMPLES >= 50:
        further = {
            "PUT /v1/reservations/{ref}",
            "POST /v1/reservations/{ref}/rotate",
            "DELETE /v1/reservations/{ref}/credentials/{credential}",
        }
        assert further <= followed, seen


def test_the_document_has_examples_and_errors_for_every_operation(app):
    """OpenAPI 3.1 with examples; every operation says who may not and what an error looks like."""
    document = TestClient(app).get("/openapi.json").json()
    names = [each["operationId"] for operations in document["paths"].values() for each in operations.values()]
    assert len(set(names)) == len(names)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation.get("description"), where
            if path.startswith("/v1/"):
                assert "401" in operation["responses"], where
                # A product's webhook brings no credentials: nothing it says is believed.
                assert operation.get("security") or path == "/v1/hooks/{adapter}", where
            for status, answer in operation["responses"].items():
                assert {link["operationId"] for link in answer.get("links", {}).values()} <= set(names), where
                for media in answer.get("content", {}).values():
                    if status >= "400" and path.startswith("/v1/"):
                        assert media.get("examples"), f"{where} {status}"
    assert len(document["paths"]["/v1/reservations/{ref}"]["put"]["responses"]["201"]["links"]) == 9
    examples = [name for name, schema in document["components"]["schemas"].items() if "examples" in schema]
    assert {"ReservationBody", "ClosureBody", "CredentialBody", "SubscriptionBody"} <= set(examples)
