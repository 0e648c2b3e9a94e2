"""Django's router: the database of each app, and the server of it that a read goes to."""

from typing import Any

from django.db.models import Model

from core.sql.lsns import PRIMARIES
from core.sql.reads import source_of

# The database of each app; an app that is not here lives in `default` (users).
DATABASE_OF_APP = {"posts": "posts", "media": "posts", "comments": "comments"}
# Apps whose tables exist in every database: the ids' function, the counters and the outbox.
EVERYWHERE = frozenset({"core"})


class DatabaseRouter:
    """Gives each app its database; `core.sql.reads` chooses its primary or its replica."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        return source_of(self.db_for_write(model, **hints))

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        return DATABASE_OF_APP.get(model._meta.app_label, "default")

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool:
        # Not `type(one)`: `request.user` is a lazy proxy of its model.
        return self.db_for_write(one.__class__) == self.db_for_write(other.__class__)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        if app_label in EVERYWHERE:
            return db in PRIMARIES
        return db == DATABASE_OF_APP.get(app_label, "default")
