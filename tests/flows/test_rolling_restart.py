"""A rolling restart under load fails no request."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

from devstack.lifecycle import Stack
from tests.support.client import Person
from tests.support.feeds import make_many_posts

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


def test_instances_restarted_one_by_one_fail_no_request(
    stack: Stack, member: Callable[[str], Person], measured: Callable[[str], None]
) -> None:
    people = [member("person") for _ in range(PEOPLE)]
    (post_id,) = make_many_posts([int(people[0].id)], 1)
    before = {status.name: status.pid for status in stack.status(*INSTANCES)}
    stop = Event()
    with ThreadPoolExecutor(PEOPLE) as pool:
        work = [pool.submit(use, person, post_id, stop) for person in people]
        try:
            restarted = stack.restart(INSTANCES)
        finally:
            stop.set()
        answers = [answer for each in work for answer in each.result()]
    failed = [(a.request.method, a.status_code, a.text) for a in answers if a.status_code >= 400]
    measured(f"{len(failed)} of {len(answers):,} requests failed in {len(restarted)} restarts")
    assert failed == []
    assert restarted == ["write-api-1", "read-api-1"], "the Read API comes last"
    assert all(status.pid != before[status.name] for status in stack.status(*INSTANCES))
