"""Which database each app has."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model

from comments.models import Comment
from core.outbox.models import OutboxEvent
from core.sql import DatabaseRouter, lsns, replica_reads
from media.models import Media
from posts.models import Post
from tests.conftest import ALL_DATABASES
from tests.support.client import wait_until
from usergraph.models import Follow

User = get_user_model()
HOMES = {User: "default", Follow: "default", Post: "posts", Media: "posts", Comment: "comments"}

pytestmark = pytest.mark.usefixtures("committed", "fresh_sql_state")


@pytest.mark.parametrize(("model", "home"), HOMES.items(), ids=str)
def test_each_app_has_its_database(model: Any, home: str) -> None:
    router = DatabaseRouter()
    assert router.db_for_write(model) == home
    assert router.db_for_read(model) == home
    with replica_reads():
        assert router.db_for_write(model) == home
        wait_until(lambda: lsns.required_lsns(user_id=None) is not None)


def test_tables_are_made_where_they_belong_and_never_on_a_replica() -> None:
    router = DatabaseRouter()
    for app in [config.label for config in apps.get_app_configs()]:
        homes = [db for db in ALL_DATABASES if router.allow_migrate(db, app)]
        everywhere = app in {"core", OutboxEvent._meta.app_label}
        assert len(homes) == (3 if everywhere else 1), app
        assert not any(router.allow_migrate(f"{db}_replica", app) for db in ALL_DATABASES)
