"""The pool keeps connections ready for exchanges."""

from __future__ import annotations

import redis

from core.valkey import Pool, exchange
from devstack.layout import HOST
from devstack.lifecycle import Stack


def test_a_reply_that_nobody_has_read_is_not_taken_for_the_next(stack: Stack) -> None:
    pool = Pool(host=HOST, port=stack.layout.port("valkey-cache"))
    with redis.Redis(connection_pool=pool) as valkey:
        connection = pool.lend()
        assert connection is not None
        connection.send_command("ECHO", "left behind")
        assert connection.can_read(timeout=5)
        pool.take_back(connection)
        assert exchange(valkey, [["ECHO", "asked for"]]) == [b"asked for"]
    pool.disconnect()
