"""The SQL servers as this process knows them: which of them answer, and how far replicas lag.

Checks (`core.sql.checks`) and requests find out. A server that does not answer a check or a
request is out of rotation, and so is a replica that lags by more than REPLICA_MAX_LAG, until a
check that began later succeeds. In a process without checks (commands, tasks), a server that failed
is tried again after RETRY_SECONDS.
"""

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from functools import cache

from django.conf import settings
from django.db import connections

from core.sql.lsns import server_lsn

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
_SUFFIX = "_replica"


@dataclass
class Server:
    """What is known of a server; all aliases of its address share it."""

    name: str
    down_since: float | None = None  # when a check or a request failed; None: it answers
    last_down: float | None = None  # the same, but not reset once it answers again
    is_silent: bool = False  # whether the last check got no answer
    is_checked: bool = False  # whether this process checks it every second
    lag: float | None = None  # of a replica, in seconds; None: not known
    # Of a primary: (time of a check, its LSN then), newest last.
    samples: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def answers(self) -> bool:
        """Whether to use it."""
        if self.down_since is None:
            return True
        return not self.is_checked and time.monotonic() - self.down_since > RETRY_SECONDS


@dataclass
class _Connected:
    """What is known of a connection of this thread: when it was opened, its server's LSN."""

    at: float = field(default_factory=time.monotonic)
    replayed: int = 0


_servers: dict[tuple[str, str], Server] = {}
_lock = threading.Lock()
_thread = threading.local()


def is_replica(alias: str) -> bool:
    """Whether an alias is that of a replica."""
    return alias.endswith(_SUFFIX)


def replica_of(primary: str) -> str:
    """The alias of a primary's replica."""
    return primary + _SUFFIX


def primary_of(replica: str) -> str:
    """The alias of a replica's primary."""
    return replica.removesuffix(_SUFFIX)


def answers(alias: str) -> bool:
    """Whether a server answered when it was last asked."""
    return server_of(alias).answers


def is_in_rotation(replica: str) -> bool:
    """Whether a replica answers and does not lag too much."""
    server = server_of(replica)
    if server.lag is None:  # not checked yet, or never
        return server.answers and not server.is_checked
    return server.answers and server.lag <= settings.REPLICA_MAX_LAG


def note_down(alias: str, error: Exception) -> None:
    """Take a server that did not answer out of rotation."""
    server = server_of(alias)
    if server.answers:
        logger.error("%s does not answer, and is out of rotation: %s", server.name, error)
    server.down_since = server.last_down = time.monotonic()


def has_replayed(replica: str, lsn: int) -> bool:
    """Whether the server of this thread's connection has replayed an LSN; a query, if not known."""
    connected = _connected(replica)
    if connected.replayed < lsn:
        connected.replayed = server_lsn(replica)
    return connected.replayed >= lsn


def note_connected(alias: str) -> None:
    """Note that this thread has a new connection: maybe to another server, with a lower LSN."""
    _thread.__dict__[alias] = _Connected()


def is_outlived(alias: str) -> bool:
    """Whether the server was down since this thread connected to it: the connection is dead."""
    last_down = server_of(alias).last_down
    return last_down is not None and _connected(alias).at < last_down


def is_silent_at(host: str, port: int) -> bool:
    """Whether the last check of an address got no answer; failed requests do not count."""
    addresses = [(role, f"{host}:{port}") for role in ("primary", "replica")]
    return any(key in _servers and _servers[key].is_silent for key in addresses)


def server_of(alias: str) -> Server:
    """The server that an alias leads to."""
    name, key = _address(alias)
    server = _servers.get(key)
    if server is None:
        with _lock:
            server = _servers.setdefault(key, Server(name))
    return server


def _connected(alias: str) -> _Connected:
    known: dict[str, _Connected] = _thread.__dict__
    return known.setdefault(alias, _Connected())


@cache
def _address(alias: str) -> tuple[str, tuple[str, str]]:
    parameters = connections[alias].settings_dict
    role = "replica" if is_replica(alias) else "primary"
    host = f"{parameters['HOST']}:{parameters['PORT'] or 5432}"
    return f"{role} {host}", (role, host)
