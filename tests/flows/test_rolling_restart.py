"""Instances that are restarted, added or removed under load fail no request."""

import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Event
from typing import Any

import httpx
import pytest

from devstack import launch, scaling
from devstack.instances import DEFAULTS, remembered
from devstack.layout import HOST, StackError
from devstack.lifecycle import Stack
from devstack.scaling import scale
from tests.support.client import Person, wait_until
from tests.support.feeds import make_many_posts
from tests.support.stacks import one

INSTANCES = ("read-api-1", "write-api-1")
PEOPLE = 4


def use(person: Person, post_id: int, stop: Event) -> list[Any]:
    """Read and comment until `stop` is set. Returns the answers."""
    answers = []
    while not stop.is_set():
        answers.append(person.http.get("/api/v1/timeline/home"))
        path = f"/api/v1/posts/{post_id}/comments"
        answers.append(person.http.post(path, json={"text": f"No. {len(answers)}"}))
    return answers


@contextmanager
def used_by(people: list[Person]) -> Iterator[list[Any]]:
    """Have people read and comment inside the block. The list gets their answers at its end."""
    (post_id,) = make_many_posts([int(people[0].id)], 1)
    stop = Event()
    answers: list[Any] = []
    with ThreadPoolExecutor(PEOPLE) as pool:
        work = [pool.submit(use, person, post_id, stop) for person in people]
        try:
            yield answers
        finally:
            stop.set()
        answers += [answer for each in work for answer in each.result()]


def failed(answers: list[Any]) -> list[Any]:
    return [(a.request.method, a.status_code, a.text) for a in answers if a.status_code >= 400]


def test_instances_restarted_one_by_one_fail_no_request(
    stack: Stack, member: Callable[[str], Person], measured: Callable[[str], None]
) -> None:
    people = [member("person") for _ in range(PEOPLE)]
    before = {status.name: status.pid for status in stack.status(*INSTANCES)}
    with used_by(people) as answers:
        restarted = stack.restart(INSTANCES)
    measured(f"{len(failed(answers))} of {len(answers):,} requests failed in 2 restarts")
    assert failed(answers) == []
    assert restarted == ["write-api-1", "read-api-1"], "the Read API comes last"
    assert all(status.pid != before[status.name] for status in stack.status(*INSTANCES))


def has_answered(stack: Stack, name: str) -> bool:
    """Whether an instance has answered some requests of the API."""
    (service,) = [service for service in stack.services if service.name == name]
    page = httpx.get(f"http://{HOST}:{service.ports[0]}/metrics").text
    counts = re.findall(r"^socialfeed_requests_total\{.*\} (\S+)$", page, re.MULTILINE)
    return sum(map(float, counts)) > 20


def test_instances_that_come_and_go_fail_no_request(
    stack: Stack, member: Callable[[str], Person], measured: Callable[[str], None]
) -> None:
    people = [member("person") for _ in range(PEOPLE)]
    added = ["read-api-3", "worker-3", "write-api-3"]
    usual = [status.name for status in stack.status()]
    with used_by(people) as answers:
        try:
            assert scale(stack, {"read-api": 3, "write-api": 3, "worker": 3}) == (added, [])
            assert [status.name for status in stack.status() if status.is_up] == sorted(
                [*usual, *added], key=[service.name for service in stack.services].index
            )
            for name in ("read-api-3", "write-api-3"):
                wait_until(partial(has_answered, stack, name))
        finally:
            removed = scale(stack, DEFAULTS)
    assert removed == ([], added)
    assert scale(stack, DEFAULTS) == ([], [])
    assert [status.name for status in stack.status() if status.is_up] == usual
    measured(f"{len(failed(answers))} of {len(answers):,} requests failed, three instances more")
    assert failed(answers) == []


def test_a_port_that_is_taken_is_named_and_nothing_is_started(stack: Stack) -> None:
    usual = stack.supervisor.programs().keys()
    with (
        socket.create_server((HOST, stack.layout.port("read-api") + 2)),
        pytest.raises(StackError, match=r"Port \d+ \(read-api-3\) is taken"),
    ):
        scale(stack, {"read-api": 3})
    assert stack.supervisor.programs().keys() == usual
    assert remembered(stack.layout.var_dir) == DEFAULTS
    stack.use_instances(DEFAULTS)


def test_an_instance_that_does_not_answer_is_stopped_and_all_stays_as_it_was(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = stack.supervisor.programs()
    monkeypatch.setattr(scaling, "START_LIMIT", 0.0)
    with pytest.raises(StackError, match=r"read-api-3 did not answer in time"):
        scale(stack, {"read-api": 3, "worker": 3})
    assert stack.supervisor.programs() == usual
    assert remembered(stack.layout.var_dir) == stack.instances == DEFAULTS
    assert not launch.processes_of(str(stack.layout.var_dir), service="read-api-3")


def test_a_scale_that_was_interrupted_is_completed_by_the_next(stack: Stack) -> None:
    """It was killed after it had told supervisord of a new instance, before the instance ran."""
    stack.use_instances({**DEFAULTS, "worker": 3})
    added = [service for service in stack.services if service.name == "worker-3"]
    stack.supervisor.add(added, services=stack.services)
    try:
        assert scale(stack, {"worker": 3}) == (["worker-3"], [])
        assert one(stack, "worker-3").is_up
    finally:
        assert scale(stack, DEFAULTS) == ([], ["worker-3"])
