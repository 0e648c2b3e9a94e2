"""The class that Django looks for in a backend (`ENGINE` of a database)."""

from typing import Any

import psycopg2
from django.db.backends.postgresql import base

from core.sql import hosts, servers


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's own, which opens connections by `core.sql.hosts`."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection to the host that is the primary, if there are several hosts."""
        return hosts.connect(super().get_new_connection, conn_params)

    def is_usable(self) -> bool:
        """Whether it answers; not if its server was down since: that may be the primary no more."""
        if self.connection is None or servers.is_outlived(self.alias):
            return False
        is_pooled = self.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]
        if not is_pooled or servers.is_replica(self.alias):
            return bool(super().is_usable())
        return self._is_to_a_primary()

    def _is_to_a_primary(self) -> bool:
        """Whether it still is: behind a pooler, a connection outlives a change of roles."""
        try:
            with self.connection.cursor() as cursor:
                cursor.execute("SELECT pg_is_in_recovery()")
                return not cursor.fetchone()[0]
        except psycopg2.Error:
            return False
