"""Two transactions on the users database at once, one of which waits for the other."""

import threading
from collections.abc import Callable, Sequence

from django.db import connections, transaction

from tests.support.client import wait_until


def at_once(*, lock: str, acts: Sequence[Callable[[], object]]) -> None:
    """Begin the second act while the transaction of the first is open, and commit that once the
    second waits for a lock of this type.
    """
    first, second = acts
    begun, may_commit = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic(using="default"):
                first()
                begun.set()
                assert may_commit.wait(60)
        finally:
            connections.close_all()

    def follow_on() -> None:
        try:
            second()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=hold), threading.Thread(target=follow_on)]
    threads[0].start()
    assert begun.wait(60)
    threads[1].start()
    wait_until(lambda: _somebody_waits(lock))
    may_commit.set()
    for thread in threads:
        thread.join()


def _somebody_waits(lock: str) -> bool:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = %s AND NOT granted", [lock])
        return bool(cursor.fetchone()[0])
