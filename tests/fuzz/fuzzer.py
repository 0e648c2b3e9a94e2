"""Makes requests from the schema with Schemathesis, sends them, and checks the answers.

Two ways take turns until enough requests are sent: each operation alone, with right and wrong data;
and chains, in which ids and names of an answer go into the next request. The chains follow links,
most of which Schemathesis infers from the schema. Each turn has people of its own, as the requests
delete what they have. No failure stops the run.
"""

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from random import Random
from typing import Any

import hypothesis
import requests
from hypothesis import strategies
from hypothesis.errors import Flaky
from schemathesis import APIOperation, BaseSchema, Case, CheckFunction, GenerationMode, Response
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Err
from schemathesis.generation.stateful import APIStateMachine

from tests.fuzz.checks import Makers, answers_errors_as_problems
from tests.fuzz.exclusions import explained
from tests.fuzz.findings import Findings
from tests.fuzz.loading import TIMEOUT, add_links, load_schema
from tests.fuzz.people import People

# Requests to each operation, and chains, in one turn.
EXAMPLES = 6
CHAINS = 60
# The title of Schemathesis's failure: 404 for what an earlier request of the chain has made.
CREATED_NOT_FOUND = "Created resource not found"
_SETTINGS = hypothesis.settings(
    phases=[hypothesis.Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    stateful_step_count=8,
)
_ALONE = hypothesis.settings(_SETTINGS, max_examples=EXAMPLES)
_IN_CHAINS = hypothesis.settings(_SETTINGS, max_examples=CHAINS)


def fuzz(
    origin: str,
    *,
    count: int,
    seed: int,
    findings: Findings,
    only: str = "",
    on_request: Callable[[], object] = lambda: None,
) -> None:
    """Send about `count` requests to the stack at `origin`. Needs committed database access.

    `only`: a text that the addresses must have. `on_request` is called after each answer.
    """
    random = Random(seed)
    with requests.Session() as http:
        # No cookie is stored: the API takes tokens.
        http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        answer = http.get(f"{origin}/api/schema/?format=json", timeout=TIMEOUT)
        document = answer.json()
        add_links(document)
        while findings.requests.total() < count:
            with closing(People(origin, random)) as people:
                schema = load_schema(document, origin=origin, people=people)
                schema = schema.include(lambda context: only in context.operation.path)
                turn = _Turn(
                    schema=schema,
                    people=people,
                    http=http,
                    random=random,
                    findings=findings,
                    on_request=on_request,
                )
                turn.send_each_alone()
                if findings.requests.total() < count:
                    turn.send_chains()


@dataclass
class _Turn:
    schema: BaseSchema
    people: People
    http: requests.Session
    random: Random
    findings: Findings
    on_request: Callable[[], object]

    def __post_init__(self) -> None:
        self._makers = Makers(self.people)
        self._deleted: set[str] = set()
        self._checks: list[CheckFunction] = [
            answers_errors_as_problems,
            self._makers.keeps_people_apart,
        ]

    def send_each_alone(self) -> None:
        """Send requests to each operation."""
        for result in self.schema.get_all_operations():
            if isinstance(result, Err):
                raise result.err()
            self.people.change_speaker()
            self._send_alone(result.ok())

    def _send_alone(self, operation: APIOperation[Any, Any, Any, Any]) -> None:
        cases = strategies.one_of(*map(operation.as_strategy, GenerationMode))

        @hypothesis.seed(self.random.randrange(2**32))
        @_ALONE
        @hypothesis.given(case=cases)
        def send(case: Case[Any]) -> None:
            self._validate(case.call(session=self.http, timeout=TIMEOUT), case)

        send()

    def send_chains(self) -> None:
        """Send chains of requests."""
        turn = self

        class Chains(self.schema.as_state_machine()):  # type: ignore[misc]  # made at run time
            def setup(self) -> None:
                turn.people.change_speaker()

            def get_call_kwargs(self, case: Case[Any]) -> dict[str, Any]:
                return {"session": turn.http, "timeout": TIMEOUT}

            def validate_response(self, response: Response, case: Case[Any], **kwargs: Any) -> None:
                turn._validate(response, case, recorder=self.recorder)

        chains: type[APIStateMachine] = Chains
        # Hypothesis tries a chain again with the same data, and gives up when it takes another
        # course, as the stack's data has changed.
        with suppress(Flaky):
            chains.run(settings=_IN_CHAINS)

    def _validate(self, response: Response, case: Case[Any], **options: Any) -> None:
        operation = case.operation.label
        path = str(response.request.path_url)
        self.findings.note_answer(operation, response.status_code)
        self.on_request()
        try:
            case.validate_response(
                response,
                additional_checks=self._checks,
                transport_kwargs={"timeout": TIMEOUT},
                **options,
            )
        except FailureGroup as group:
            # A chain that is tried again sends the same Idempotency-Key, and gets the answer of the
            # first time: what that has created may be deleted since.
            is_explained = (
                path in self._deleted
                or self._makers.hidden_from_sender(response, case)
                or self._makers.has_gone_with_its_use(case)
            )
            for failure in group.exceptions:
                if is_explained and failure.title == CREATED_NOT_FOUND:
                    continue
                if not explained(failure, operation, str(response.request.url), case.body):
                    rule = f"{failure.title} ({response.status_code})"
                    self.findings.note_failure(rule, operation, group.message)
        if case.method == "DELETE" and response.status_code == HTTPStatus.NO_CONTENT:
            self._deleted.add(path)
        self.people.note_answer(operation, response.status_code)
