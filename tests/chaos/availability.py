"""Scenarios: requests are answered while servers are down; which server reads when all are up."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from devstack import probes
from devstack.layout import DATABASES, PROJECT_DIR
from tests.chaos.behaviours import mixed, visiting
from tests.chaos.checkers import falsely_acknowledged, quantiles, replica_share
from tests.chaos.client import Member
from tests.chaos.history import Outcome, Read
from tests.chaos.load import Running, load
from tests.chaos.outcome import answered
from tests.chaos.proxy import Mode, Proxy
from tests.chaos.report import Figure
from tests.chaos.scenario import Run
from tests.support.client import wait_until

THREADS = 8
WARM_UP_SECONDS = 2.0
# A server is down for at least so long, however many reads that makes ...
LEAST_SECONDS = 5.0
# ... and for at most so long, however few reads.
MOST_SECONDS = 60.0
SECONDS_TO_RESTART = 240
# Scans of the service's own tables. The checks whether a connection still works make none.
_SCANS_SQL = """
SELECT coalesce(sum(seq_scan + coalesce(idx_scan, 0)), 0)::bigint FROM pg_stat_user_tables
"""
# An idle server process may report its last scans so late.
SECONDS_TO_TELL = 11.0


def share_of_replica(run: Run) -> list[Figure]:
    """The replica's share of table scans while all servers are up. Workers and beat are stopped.

    All people have written just before, and the replica has caught up.
    """
    world, wanted = run.world, run.scaled(4000, at_least=400)
    members, faults = _visitors(run), world.faults
    with faults.stopped(*faults.names("worker"), *faults.names("beat")):
        wait_until(faults.replica_is_level, 30)
        before = _scans(run)
        reading = load(world.origin, members, visiting(0), threads=THREADS, seed=run.seed)
        with reading as running:
            running.await_(lambda: len(running.history.reads) >= wanted, seconds=60 + wanted / 10)
        after = _scans(run)
    done = {server: after[server] - before[server] for server in after}
    return [
        Figure(
            "share of reads that the replica serves when healthy",
            replica_share(primary=done["primary"], replica=done["replica"]),
            len(running.history.reads),
            at_least=0.9,
            is_share=True,
            notes=f"{done['replica']:,} scans of tables there, {done['primary']:,} on the primary",
        )
    ]


def _scans(run: Run) -> dict[str, int]:
    """The table scans on each server so far, once its processes have reported their last ones."""
    layout = run.world.stack.layout
    found: dict[str, int] = {}
    since = 0.0

    def is_settled() -> bool:
        nonlocal found, since
        now = {
            server: sum(
                _scans_of(layout.port(f"postgres-{server}"), f"socialfeed_{name}")
                for name in DATABASES
            )
            for server in ("primary", "replica")
        }
        if now != found:
            found, since = now, time.monotonic()
        return time.monotonic() > since + SECONDS_TO_TELL

    wait_until(is_settled, 60)
    return found


def _scans_of(port: int, database: str) -> int:
    connection = probes.connect(port, database)
    try:
        with connection.cursor() as cursor:
            cursor.execute(_SCANS_SQL)
            (scans,) = cursor.fetchone() or (0,)
            return int(scans)
    finally:
        connection.close()


def replica_killed(run: Run) -> list[Figure]:
    """Reads while the replica is killed."""
    visitors, fault = _visitors(run), run.world.faults.held_down("postgres-replica")
    reads, span = _read_during(run, visitors, fault)
    what = "reads answered while the replica is killed"
    return [answered(what, reads, span, at_least=0.999)]


def replica_swallowed(run: Run) -> list[Figure]:
    """Reads while the replica accepts connections and does not answer."""
    reads, span = _read_during(
        run, _visitors(run), _black_hole(run.world.faults.proxies["replica"])
    )
    what = "reads answered while the replica is a black hole"
    return [answered(what, reads, span, at_least=0.99)]


@contextmanager
def _black_hole(proxy: Proxy) -> Iterator[None]:
    proxy.switch(Mode.BLACKHOLE)
    try:
        yield
    finally:
        proxy.switch(Mode.PASS)


def primary_down(run: Run) -> list[Figure]:
    """Reads and writes while the primary is down. Any write that is acknowledged must be kept."""
    world, visitors, writers = run.world, _visitors(run), run.inhabitants(8, follows=2)
    for member, fresh in zip(writers, world.pictures(writers, 200), strict=True):
        member.media.extend(fresh)
    with load(world.origin, writers, mixed, threads=2, seed=run.seed) as running:
        reads, span = _read_during(run, visitors, world.faults.held_down("postgres-primary"))
    world.drain()
    writes = running.history.writes
    during = [write for write in writes if span[0] <= write.began < span[1]]
    kept = sum(write.outcome == Outcome.ACKNOWLEDGED for write in during)
    false = falsely_acknowledged(writes=writes, rows=world.rows(writers))
    return [
        answered("reads answered while the primary is down", reads, span, at_least=0.99),
        Figure(
            "writes acknowledged falsely, before, during and after",
            len(false),
            len(writes),
            at_most=0,
            notes=f"{len(during)} were tried while it was down, {kept} of them acknowledged",
        ),
    ]


def _visitors(run: Run) -> list[Member]:
    return run.inhabitants(40, follows=5)


def _read_during(
    run: Run, visitors: list[Member], fault: AbstractContextManager[None]
) -> tuple[list[Read], tuple[float, float]]:
    """Read before and during a fault. Returns the reads, and the fault's begin and end."""
    wanted = run.scaled(3000, at_least=200)
    reading = load(run.world.origin, visitors, visiting(0), threads=THREADS, seed=run.seed)
    with reading as running:
        running.last(WARM_UP_SECONDS)
        with fault:
            began, so_far = time.monotonic(), len(running.history.reads)
            running.last(LEAST_SECONDS)
            while (
                len(running.history.reads) - so_far < wanted
                and time.monotonic() < began + MOST_SECONDS
            ):
                running.last(0.1)
            ended = time.monotonic()
    return running.history.reads, (began, ended)


def rolling_restart(run: Run) -> list[Figure]:
    """Run `manage.py stack restart` again and again, while people read and write."""
    world, wanted = run.world, run.scaled(4000, at_least=300)
    members, restarts = _visitors(run), 0
    visits = load(world.origin, members, visiting(0.1), threads=THREADS, seed=run.seed)
    with visits as running:
        running.last(WARM_UP_SECONDS)
        while not restarts or len(running.history.reads) < wanted:
            _restart(run, running)
            restarts += 1
    history = running.history
    failed = [read.status for read in history.reads if not read.is_answered]
    lost = [write for write in history.writes if write.outcome != Outcome.ACKNOWLEDGED]
    took = quantiles(read.ended - read.began for read in history.reads)
    return [
        Figure(
            "requests failed in a rolling restart under load",
            len(failed) + len(lost),
            len(history.reads) + len(history.writes),
            at_most=0,
            notes=f"{restarts} restarts; {len(lost)} of {len(history.writes)} writes failed; "
            f"reads took {took}",
        )
    ]


def _restart(run: Run, running: Running) -> None:
    with subprocess.Popen(
        [sys.executable, str(PROJECT_DIR / "manage.py"), "stack", "restart"],
        env=dict(run.world.stack.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as restart:
        try:
            running.await_(lambda: restart.poll() is not None, seconds=SECONDS_TO_RESTART)
        finally:
            restart.terminate()
        assert restart.stdout
        said = restart.stdout.read().strip()
    assert restart.returncode == 0, f"stack restart ended with {restart.returncode}: {said[-300:]}"
