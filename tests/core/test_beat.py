"""Of several beats one leads, and what a former leader sends has no effect."""

import json
import time
from collections.abc import Callable, Iterator

import pytest
import redis
from celery import current_app, shared_task
from celery.beat import ScheduleEntry, Scheduler, Service
from redis.backoff import NoBackoff
from redis.retry import Retry

from core import beat
from core.beat import LeadingScheduler
from core.valkey import state_valkey

QUEUE = "beat-test"
_ran: list[str] = []


@shared_task(name="tests.core.test_beat.note")
def note(**kwargs: object) -> None:
    _ran.append("note")


@pytest.fixture(autouse=True)
def own_keys(stack: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The beat of the stack has the usual ones."""
    keys = ("{beat-test}:holder", "{beat-test}:term")
    monkeypatch.setattr(beat, "_HOLDER_KEY", keys[0])
    monkeypatch.setattr(beat, "_TERM_KEY", keys[1])
    _ran.clear()
    yield
    state_valkey().delete(*keys, f"celery:{QUEUE}")


@pytest.fixture
def scheduler() -> Callable[[], LeadingScheduler]:
    """Makes the scheduler of another beat, with one task that is always due."""

    def make() -> LeadingScheduler:
        made = LeadingScheduler(app=current_app, lazy=True)
        made.add(name="note", task=note.name, schedule=0.001, options={"queue": QUEUE})
        return made

    return make


def sent_headers() -> list[dict[str, object]]:
    """The headers of the messages that were sent since the last call."""
    messages = state_valkey().lrange(f"celery:{QUEUE}", 0, -1)
    state_valkey().delete(f"celery:{QUEUE}")
    return [json.loads(message)["headers"] for message in messages]


def tick(scheduler: LeadingScheduler) -> float:
    time.sleep(0.002)  # the task is due
    return scheduler.tick()


def test_one_beat_leads_and_the_other_sends_nothing(
    scheduler: Callable[[], LeadingScheduler],
) -> None:
    leader, other = scheduler(), scheduler()
    assert tick(leader) == 0, "there may be more to send"
    assert [headers[beat.TERM_HEADER] for headers in sent_headers()] == [1]
    assert tick(other) == beat.SECONDS_BETWEEN_CLAIMS
    assert sent_headers() == []
    tick(leader)
    assert [headers[beat.TERM_HEADER] for headers in sent_headers()] == [1], "the same term"


def test_a_beat_that_sleeps_too_long_is_replaced_and_what_it_sends_then_is_dropped(
    scheduler: Callable[[], LeadingScheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen, other = scheduler(), scheduler()
    with monkeypatch.context() as soon:
        soon.setattr(beat, "SECONDS_TO_LAPSE", 0.05)
        tick(frozen)
    time.sleep(0.06)
    tick(other)
    # It was frozen between its claim and its message.
    (entry,) = frozen.schedule.values()
    assert isinstance(entry, ScheduleEntry)
    frozen.apply_async(entry)
    newest, *_ = sent = sent_headers()
    assert [headers[beat.TERM_HEADER] for headers in sent] == [1, 2, 1], "the last one comes first"
    assert beat.is_outdated(newest)
    assert not beat.is_outdated(sent[1])
    assert tick(frozen) == beat.SECONDS_BETWEEN_CLAIMS, "it does not lead"


def test_a_beat_that_ends_lets_the_other_lead_at_once(
    scheduler: Callable[[], LeadingScheduler],
) -> None:
    leader, other = scheduler(), scheduler()
    tick(leader)
    tick(other)
    leader.close()
    tick(other)
    assert [headers[beat.TERM_HEADER] for headers in sent_headers()] == [2, 1]
    leader.close()
    assert state_valkey().exists(beat._HOLDER_KEY), "it ends its own leadership only"


def test_no_beat_leads_while_state_is_down(
    scheduler: Callable[[], LeadingScheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = scheduler()
    tick(leader)
    with monkeypatch.context() as down:
        down.setattr(beat, "state_valkey", lambda: redis.Redis(port=9, retry=Retry(NoBackoff(), 0)))
        assert tick(leader) == beat.SECONDS_BETWEEN_CLAIMS
        assert not beat.is_outdated({beat.TERM_HEADER: 0}), "its message runs"
    assert [headers[beat.TERM_HEADER] for headers in sent_headers()] == [1]
    assert tick(leader) == 0, "it leads again"


def test_a_beat_survives_that_state_refuses_to_write(
    scheduler: Callable[[], LeadingScheduler],
) -> None:
    alone = scheduler()
    state_valkey().config_set("maxmemory", 1)
    try:
        assert tick(alone) == beat.SECONDS_BETWEEN_CLAIMS
    finally:
        state_valkey().config_set("maxmemory", 0)
    assert tick(alone) == 0


def test_who_begins_to_lead_sends_all_tasks_and_then_each_when_it_is_due(
    scheduler: Callable[[], LeadingScheduler],
) -> None:
    """A task that is due hourly is sent by beats that are restarted more often, too."""
    leader, other = scheduler(), scheduler()
    for each in (leader, other):
        each.schedule.clear()
        for name in ("one", "two"):
            each.add(name=name, task=note.name, schedule=3600, options={"queue": QUEUE})
    for each, sent in ((leader, 2), (other, 0), (leader, 0)):
        for _ in range(5):
            tick(each)
        assert len(sent_headers()) == sent
    leader.close()
    for _ in range(5):
        tick(other)
    assert len(sent_headers()) == 2


def test_a_beat_with_another_scheduler_ends() -> None:
    service = Service(app=current_app, scheduler_cls=Scheduler)
    with pytest.raises(SystemExit, match="Start it without --scheduler"):
        beat.refuse_other_schedulers(sender=service)
    ours = Service(app=current_app, scheduler_cls=LeadingScheduler)
    beat.refuse_other_schedulers(sender=ours)


@pytest.mark.parametrize(
    ("headers", "runs"),
    [
        (None, True),
        ({}, True),  # by a request, or by a beat of the release before
        ({beat.TERM_HEADER: 2}, True),
        ({beat.TERM_HEADER: 3}, True),  # STATE has lost the newest term
        ({beat.TERM_HEADER: 1}, False),
    ],
)
def test_a_worker_drops_what_a_former_leader_sent(
    headers: dict[str, object] | None, runs: bool
) -> None:
    state_valkey().set(beat._TERM_KEY, 2)
    note.push_request(headers=headers)
    try:
        note()
    finally:
        note.pop_request()
    assert _ran == ["note"] * runs
