"""The routes of artefacts and adapters against their own OpenAPI document, with calls that schemathesis makes up."""

from functools import partial

import hypothesis
import schemathesis
from schemathesis import GenerationMode
from schemathesis.config import GenerationConfig
from schemathesis.core.result import Ok

from sync.hub.adapters.routes import adapter_routes
from sync.hub.adapters.settings import Adapters
from sync.hub.adapters.switchboard import Switchboard
from sync.hub.api import create_app
from sync.hub.artefacts.desk import Desk
from sync.hub.artefacts.house_rules import HouseRules
from sync.hub.artefacts.routes import artefact_routes
from sync.hub.log_store import LogStore
from tests.sync.hub.conftest import NOW
from tests.sync.hub.test_contract import CHECKS, EXAMPLES

OURS = ("/v1/imports/", "/v1/hooks/", "/v1/calendar.ics", "/v1/reservations/{ref}/credentials/{credential}/{artefact}")


def test_every_answer_is_in_the_contract(service, sessions, keyring):
    board = Switchboard(service, sessions, Adapters())
    more = (
        partial(artefact_routes, Desk(sessions, keyring, HouseRules())),
        partial(adapter_routes, board, sessions, HouseRules().name),
    )
    app = create_app(service, LogStore(sessions), now=lambda: NOW, more=more)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    schema.config.generation = GenerationConfig(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    headers = {"Authorization": f"Bearer {service.new_token('booking')}"}
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    tried = [operation for operation in operations if operation.path.startswith(OURS)]
    assert len(tried) == len(OURS)
    for operation in tried:

        @hypothesis.settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
                             suppress_health_check=list(hypothesis.HealthCheck))  # fmt: skip
        @hypothesis.given(case=operation.as_strategy())
        def answers(case):
            case.call_and_validate(headers=headers, checks=CHECKS)

        answers()
