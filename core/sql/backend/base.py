"""The class that Django looks for in a backend (`ENGINE` of a database)."""

from typing import Any

from django.db.backends.postgresql import base

from core.sql import hosts, servers


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's own, which opens connections by `core.sql.hosts`."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection to the host that is the primary, if there are several hosts."""
        return hosts.connect(super().get_new_connection, conn_params)

    def is_usable(self) -> bool:
        """Whether it answers; not if its server was down since: that may be the primary no more."""
        if servers.is_outlived(self.alias) or not super().is_usable():
            return False
        # Behind a pooler, a connection outlives a change of roles.
        is_pooled = self.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]
        return not is_pooled or servers.is_replica(self.alias) or not self._is_standby()

    def _is_standby(self) -> bool:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery()")
            return bool(cursor.fetchone()[0])
