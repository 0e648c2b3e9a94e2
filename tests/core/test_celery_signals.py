"""A Celery message carries the context that it is sent in; its task runs in that context."""

import json
from collections.abc import Iterator

import pytest

from core import celery_signals, context
from core.valkey import state_valkey
from timeline.tasks import audit_timelines

QUEUE = "nobody"


@pytest.fixture
def in_request() -> Iterator[None]:
    token = context.request_id.set("r-1")
    yield
    context.request_id.reset(token)


def sent_context() -> object:
    """The context in the headers of a message that is sent now."""
    audit_timelines.apply_async(queue=QUEUE)
    (message,) = state_valkey().lrange(f"celery:{QUEUE}", 0, -1)
    state_valkey().delete(f"celery:{QUEUE}")
    return json.loads(message)["headers"][celery_signals.CONTEXT_HEADER]


@pytest.mark.usefixtures("stack")
def test_a_message_carries_what_is_set_and_nothing_when_nothing_is(in_request: None) -> None:
    assert sent_context() == {"request_id": "r-1"}
    token = context.request_id.set(None)
    assert sent_context() == {}
    context.request_id.reset(token)
    assert context.request_id.get() == "r-1"


def run_with(headers: dict[str, object] | None) -> str | None:
    """The request id of a task while it runs, from a message with these headers."""
    audit_timelines.push_request(headers=headers)
    try:
        celery_signals.enter_context(task=audit_timelines)
        try:
            return context.request_id.get()
        finally:
            celery_signals.leave_context(task=audit_timelines)
    finally:
        audit_timelines.pop_request()


def test_a_task_works_under_the_id_that_its_message_carries(in_request: None) -> None:
    assert run_with({celery_signals.CONTEXT_HEADER: {"request_id": "r-2", "later": "x"}}) == "r-2"
    assert context.request_id.get() == "r-1", "the id of before is set again"


@pytest.mark.parametrize("headers", [None, {}, {celery_signals.CONTEXT_HEADER: {}}])
def test_a_task_that_nobody_asked_for_gets_an_id_of_its_own(
    headers: dict[str, object] | None,
) -> None:
    ids = {run_with(headers) for _ in range(3)}
    assert len(ids - {None}) == 3
