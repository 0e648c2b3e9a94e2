"""Recordings of what is read from CACHE."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from typing import Any, cast

import pytest
import redis
from redis import ResponseError

from core.valkey import (
    Command,
    UnrecordedRead,
    ValkeyUnavailable,
    cache_valkey,
    exchange,
    exchange_packed,
    packed,
    recorded_reads,
    run_script,
    state_valkey,
)

pytestmark = pytest.mark.usefixtures("stack")


def test_reads_are_recorded_in_order_and_can_be_made_again(key: str) -> None:
    exchange(cache_valkey(), [("SET", key, "value", "EX", 60)])
    with recorded_reads() as recording:
        exchange(cache_valkey(), [("GET", key), (b"STRLEN", key)])
        exchange(cache_valkey(), [("MGET", key, f"{key}:missing")])
    exchange(cache_valkey(), [("GET", "after the block")])
    assert recording.commands == [
        ("GET", key),
        (b"STRLEN", key),
        ("MGET", key, f"{key}:missing"),
    ]
    assert recording.replies == [b"value", 5, [b"value", None]]
    assert recording.is_replayable
    message = packed(recording.commands)
    assert exchange_packed(cache_valkey(), message, 3) == recording.replies


@pytest.mark.parametrize(("is_read", "is_replayable"), [(True, True), (False, False)])
def test_a_script_is_replayable_when_it_says_that_it_reads(
    is_read: bool, is_replayable: bool
) -> None:
    run_script(cache_valkey(), "return 1", [([], [])])
    with recorded_reads() as recording:
        run_script(cache_valkey(), "return 1", [([], [])], is_read=is_read)
    assert recording.is_replayable == is_replayable


def test_a_script_that_had_to_be_loaded_is_not_replayable(unique: Callable[[str], str]) -> None:
    source = f"return 1 -- {unique('script')}"
    with recorded_reads() as recording:
        assert run_script(cache_valkey(), source, [([], [])], is_read=True) == [1]
    assert not recording.is_replayable


@pytest.mark.parametrize(
    "command", [("SET", "{key}", "1"), ("UNLINK", "{key}"), ("EVAL", "return 1", 0), ("PTTL", "k")]
)
def test_anything_but_a_known_read_is_not_replayable(command: Command, key: str) -> None:
    with recorded_reads() as recording:
        exchange(cache_valkey(), [("GET", key)])
        exchange(cache_valkey(), [[str(part).replace("{key}", key) for part in command]])
        exchange(cache_valkey(), [("GET", key)])
    assert not recording.is_replayable


@pytest.mark.parametrize("raise_errors", [True, False])
def test_an_error_reply_is_not_replayable(key: str, raise_errors: bool) -> None:
    exchange(cache_valkey(), [("LPUSH", key, "x")])
    with recorded_reads() as recording:
        try:
            exchange(cache_valkey(), [("GET", key)], raise_errors=raise_errors)
        except ResponseError:
            assert raise_errors
    assert not recording.is_replayable


def test_packed_commands_are_not_replayable(key: str) -> None:
    with recorded_reads() as recording:
        exchange_packed(cache_valkey(), packed([("GET", key)]), 1)
    assert not recording.is_replayable


def test_a_server_that_is_down_makes_it_not_replayable(closed_cache: None) -> None:
    with recorded_reads() as recording, pytest.raises(ValkeyUnavailable):
        exchange(cache_valkey(), [("GET", "x")])
    assert not recording.is_replayable


BYPASSES: list[Callable[[], Any]] = [
    lambda: cache_valkey().get("x"),
    lambda: cast("Any", cache_valkey().pipeline(transaction=False)).get("x").execute(),
    lambda: list(cache_valkey().scan_iter(match="nothing:*")),
]


@pytest.mark.parametrize("bypass", BYPASSES)
def test_a_read_past_exchange_raises_in_tests(bypass: Callable[[], Any]) -> None:
    with recorded_reads() as recording, pytest.raises(UnrecordedRead):
        bypass()
    assert not recording.is_replayable
    bypass()


@pytest.mark.parametrize("bypass", BYPASSES)
def test_a_read_past_exchange_is_not_replayable_in_production(
    bypass: Callable[[], Any], settings: Any
) -> None:
    settings.RAISE_UNRECORDED_READS = False
    with recorded_reads() as recording:
        bypass()
    assert not recording.is_replayable


def test_state_is_not_recorded(key: str) -> None:
    with recorded_reads() as recording:
        exchange(state_valkey(), [("SET", key, "1", "EX", 60)])
        state_valkey().get(key)
    assert recording.commands == []
    assert recording.is_replayable


@pytest.mark.parametrize("way", ["another redis-py"], indirect=True)
def test_the_slow_way_is_recorded_too(
    way: str, key: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = cast("redis.Redis", cache_valkey()).connection_pool
    monkeypatch.setattr(pool, "_reads_directly", False, raising=False)
    with recorded_reads() as recording:
        exchange(cache_valkey(), [("GET", key)])
    assert recording.replies == [None]
    assert recording.is_replayable


def test_threads_and_contexts_do_not_mix(key: str) -> None:
    def record(number: int) -> list[Command]:
        with recorded_reads() as recording:
            for _ in range(10):
                exchange(cache_valkey(), [("GET", f"{key}:{number}")])
        return recording.commands

    with recorded_reads() as recording, ThreadPoolExecutor(4) as threads:
        for number, commands in enumerate(threads.map(record, range(20))):
            assert commands == [("GET", f"{key}:{number}")] * 10
    assert recording.commands == []


def test_a_block_records_its_own_context(key: str) -> None:
    """A generator that waits in its block, say, does not record what others send."""
    context = Context()
    block = recorded_reads()
    recording = context.run(block.__enter__)
    exchange(cache_valkey(), [("GET", key)])
    context.run(exchange, cache_valkey(), [("STRLEN", key)])
    context.run(block.__exit__, None, None, None)
    assert recording.commands == [("STRLEN", key)]


def test_recordings_do_not_nest() -> None:
    with recorded_reads() as recording:
        with pytest.raises(RuntimeError, match="running already"), recorded_reads():
            pass
        exchange(cache_valkey(), [("GET", "x")])
    assert len(recording.commands) == 1
