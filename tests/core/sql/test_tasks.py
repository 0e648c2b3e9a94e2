"""Tasks store the LSNs of what they have written."""

from __future__ import annotations

from typing import Any

import pytest
from celery import shared_task
from django.db import connections

from core.sql import lsns
from core.sql.lsns import lsn_key
from core.sql.tasks import NotedTask
from core.valkey import state_valkey

pytestmark = pytest.mark.usefixtures("committed", "fresh_sql_state")


@shared_task
def write_and_fail(*, fails: bool, **kwargs: Any) -> None:
    """Commit something, and then perhaps fail."""
    with connections["posts"].cursor() as cursor:
        cursor.execute("UPDATE posts_post SET caption = '' WHERE id = 0")
    if fails:
        raise ValueError("after its commit")


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_task_writes_everybody_sees(fails: bool) -> None:
    assert isinstance(write_and_fail, NotedTask)
    before = lsns.server_lsn("posts")
    if fails:
        with pytest.raises(ValueError, match="after its commit"):
            write_and_fail(fails=True)
    else:
        write_and_fail(fails=False)
    common = state_valkey().get(lsn_key("everybody", "posts"))
    assert int(common or 0) >= before
