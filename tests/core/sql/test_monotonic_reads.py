"""Several replicas that lag apart: nobody misses their own writes, and nobody goes back in time."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from random import Random
from threading import Event, Thread

import pytest
from django.db import OperationalError, connections

from core.sql import checks, lsns, note_reader, reads, replica_reads, servers
from devstack.probes import query
from posts.models import Post
from tests.core.sql.conftest import OTHER, PAUSE, RESUME, new_user_id, read_alias, source
from tests.support.client import wait_until

pytestmark = pytest.mark.usefixtures("committed", "fresh_sql_state")
OWN = "posts_replica"
READS = 5000


@pytest.fixture
def settles_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "SECONDS_TO_SETTLE", 0.0)


def check_all() -> None:
    """What the checks of a process do each second."""
    for alias in ("posts", OWN, OTHER):
        connection = checks.check(alias)
        if connection is not None:
            connection.close()
        if servers.is_replica(alias):
            servers.note_rotation(alias)


def reader_of(alias: str) -> int:
    """Somebody whose own replica it is."""
    ids = (new_user_id() for _ in range(100))
    return next(i for i in ids if servers.replicas_for("posts", reader_id=i)[0] == alias)


def test_readers_are_spread_over_the_replicas_and_stay_with_theirs(
    two_replicas: dict[str, int],
) -> None:
    readers = [new_user_id() for _ in range(200)]
    first = [source(reader) for reader in readers]
    assert min(Counter(first)[alias] for alias in two_replicas) > 60
    assert [source(reader) for reader in readers] == first


@pytest.mark.usefixtures("two_replicas", "settles_at_once")
def test_another_replica_takes_over_once_it_has_what_the_lost_one_may_have_shown() -> None:
    reader = reader_of(OTHER)
    check_all()
    assert source(reader) == OTHER
    servers.note_down(OTHER, OperationalError("gone"))
    assert source(reader) == "posts", "what it has shown is not known"
    servers.note_rotation(OTHER)
    assert source(reader) == "posts", "another process may still read from it"
    checks.check("posts")
    servers.note_rotation(OTHER)
    wait_until(lambda: source(reader) == OWN)


@pytest.mark.usefixtures("settles_at_once")
def test_the_one_that_takes_over_must_not_have_less(two_replicas: dict[str, int]) -> None:
    reader = reader_of(OTHER)
    check_all()
    query(two_replicas[OWN], PAUSE)
    Post.objects.create(author_id=reader, caption="")
    servers.note_down(OTHER, OperationalError("gone"))
    servers.note_rotation(OTHER)
    checks.check("posts")
    servers.note_rotation(OTHER)
    assert servers.lsn_when_out(OTHER)
    assert source(reader) == "posts"
    assert source(reader_of(OWN)) == OWN, "its own readers have seen no more"


@pytest.mark.usefixtures("two_replicas")
def test_a_replica_that_is_back_waits_until_all_processes_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_all()
    servers.note_down(OTHER, OperationalError("gone"))
    servers.note_rotation(OTHER)
    check_all()
    assert servers.is_in_rotation(OTHER)
    assert not servers.is_steady(OTHER)
    monkeypatch.setattr(servers, "SECONDS_TO_SETTLE", 0.0)
    check_all()
    assert servers.is_steady(OTHER)


def test_what_the_primary_showed_is_required_of_the_replica_afterwards(
    user_id: int, replica_is_behind: int
) -> None:
    with replica_reads():
        note_reader(user_id=user_id)
        lsns.store_lsns({"posts": 1}, user_id=user_id)
        servers.note_down(OWN, OperationalError("gone"))
        assert read_alias() == "posts"
        reads.store_what_was_seen()
    servers.server_of(OWN).down_since = None
    assert source(user_id) == "posts"
    found = lsns.required_lsns(user_id=user_id)
    assert found is not None
    assert found.seen["posts"] >= replica_is_behind
    assert not found.common, "it is required of nobody else"
    servers.note_down("posts", OperationalError("gone"))
    assert source(user_id) == OWN, "an older answer is better than none"


def test_reads_from_ones_own_replica_store_nothing(
    user_id: int, round_trips: Callable[[], int]
) -> None:
    with replica_reads():
        note_reader(user_id=user_id)
        assert read_alias() == OWN
        before = round_trips()
        reads.store_what_was_seen()
        assert round_trips() == before


def test_what_one_replica_has_replayed_is_not_believed_of_another(
    two_replicas: dict[str, int],
) -> None:
    readers = {source(id_): id_ for id_ in (new_user_id() for _ in range(30))}
    query(two_replicas[OTHER], PAUSE)
    Post.objects.create(author_id=readers[OTHER], caption="")
    written = lsns.lsns_after_commit(["posts"])
    lsns.store_lsns(written, user_id=readers["posts_replica"])
    wait_until(lambda: source(readers["posts_replica"]) == "posts_replica")
    lsns.store_lsns(written, user_id=readers[OTHER])
    assert source(readers[OTHER]) == "posts"


def test_own_writes_are_never_missed_though_each_replica_lags_by_another_time(
    two_replicas: dict[str, int], measured: Callable[[str], None]
) -> None:
    """While replicas pause and go on by turns, who has written reads what they have written."""
    count = 5000
    sources: Counter[str] = Counter()
    post = Post.objects.create(author_id=new_user_id(), caption="")
    readers = [new_user_id() for _ in range(20)]
    for number in range(count):
        for turn, port in enumerate(two_replicas.values()):
            if number % 50 == 25 * turn:
                query(port, PAUSE if number % 100 < 50 else RESUME)
        reader = readers[number % len(readers)]
        Post.objects.filter(pk=post.pk).update(caption=str(number))
        lsns.store_lsns(lsns.lsns_after_commit(["posts"]), user_id=reader)
        with replica_reads():
            note_reader(user_id=reader)
            alias = read_alias()
            sources[alias] += 1
            assert Post.objects.using(alias).get(pk=post.pk).caption == str(number)
    measured(f"{count} reads after writes: {dict(sources)}")
    assert all(sources[alias] for alias in ("posts", *two_replicas)), sources


@contextmanager
def writers(ids: list[int]) -> Iterator[None]:
    """For each post a thread that counts up in its caption, as fast as it can."""
    stop = Event()

    def write(post_id: int) -> None:
        sql = "UPDATE posts_post SET caption = %s WHERE id = %s"
        with closing(connections["posts"].copy()) as connection, connection.cursor() as cursor:
            for number in itertools.count():
                if stop.is_set():
                    return
                cursor.execute(sql, [str(number), post_id])

    threads = [Thread(target=write, args=[post_id]) for post_id in ids]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_nobody_goes_back_in_time_nor_sees_writes_in_another_order(
    two_replicas: dict[str, int],
    settles_at_once: None,
    measured: Callable[[str], None],
) -> None:
    """Two counters that count apart; replicas that pause, fail and come back.

    A long fork is two answers of which each has the newer value of one counter. Only answers of
    replicas are compared: a primary shows commits in an order that its log may not have
    (PostgreSQL takes a commit into its snapshots after it has logged it).
    """
    random = Random(7)
    sources: Counter[str] = Counter()
    shown: dict[int, tuple[int, int]] = {}
    by_replicas: set[tuple[int, int]] = set()
    readers = [new_user_id() for _ in range(20)]
    ids = sorted(Post.objects.create(author_id=readers[0], caption="0").pk for _ in range(2))
    posts = Post.objects.filter(pk__in=ids).order_by("pk")
    wait_until(lambda: all(posts.using(replica).count() == 2 for replica in two_replicas))
    with writers(ids):
        for number in range(READS):
            if number % 25 == 0:
                query(random.choice(list(two_replicas.values())), random.choice([PAUSE, RESUME]))
            if number % 40 == 5:
                servers.note_down(random.choice(list(two_replicas)), OperationalError("gone"))
            if number % 10 == 0:
                check_all()
            reader = random.choice(readers)
            with replica_reads():
                note_reader(user_id=reader)
                alias = read_alias()
                found = posts.using(alias).values_list("caption", flat=True)
                one, other = map(int, found)
                reads.store_what_was_seen()
            sources[alias] += 1
            before = shown.get(reader, (0, 0))
            assert one >= before[0] and other >= before[1], (alias, before, (one, other))  # noqa: PT018
            shown[reader] = one, other
            if alias != "posts":
                by_replicas.add((one, other))
    assert all(sources[alias] for alias in ("posts", *two_replicas)), sources
    in_order = sorted(by_replicas)
    forks = [pair for pair in itertools.pairwise(in_order) if pair[0][1] > pair[1][1]]
    measured(f"{READS} mixed reads: {dict(sources)}; {len(in_order)} states; {len(forks)} forks")
    assert not forks
