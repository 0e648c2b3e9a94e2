"""The class that Django looks for in a backend (`ENGINE` of a database)."""

from typing import Any

from django.db.backends.postgresql import base

from core.sql import hosts


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's own, which opens connections by `core.sql.hosts`."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection to the host that is the primary, if there are several hosts."""
        return hosts.connect(super().get_new_connection, conn_params)
