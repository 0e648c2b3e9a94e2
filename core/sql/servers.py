"""The SQL servers as this process knows them: which of them answer, and how far replicas lag.

Checks (`core.sql.checks`) and requests find out. A server that does not answer a check or a
request is out of rotation, and so is a replica that lags by more than REPLICA_MAX_LAG, or is on an
older timeline of the log than its primary, until a check that began later succeeds. In a process
without checks (commands, tasks), a server that failed is tried again after RETRY_SECONDS.

Readers change from one replica to another only when both have what was shown meanwhile. As each
process has its own checks, that is known only SECONDS_TO_SETTLE later: a replica that was out of
rotation waits so long, and so do readers whose replica is out (`is_steady`, `lsn_when_out`).
"""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b

from django.conf import settings
from django.db import connections

from core.sql.hosts import Host, hosts_of, note_timeline
from core.sql.wal import server_lsn, timeline_of

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
SECONDS_TO_FORGET = 10.0
# By then the checks of all processes have found the same: a second between two, and two for one.
SECONDS_TO_SETTLE = 4.0
_SUFFIX = "_replica"


@dataclass
class Server:
    """What is known of a server; all aliases of its address share it."""

    name: str
    hosts: tuple[Host, ...]  # a primary may be one of several
    down_since: float | None = None  # when a check or a request failed; None: it answers
    last_down: float | None = None  # the same, but not reset once it answers again
    checked: Host | None = None  # the host that the connection of the checks leads to
    is_checked: bool = False  # whether this process checks it every second
    lag: float | None = None  # of a replica, in seconds; None: not known
    is_standby: bool = True  # of a replica: False if it is the primary, at the moment or always
    # Of a replica: since when checks have found it out of rotation, and in it again.
    out_since: float | None = None
    back_since: float | None = None
    lsn_when_out: int | None = None
    # Of a primary: (time of a check, its LSN then), newest last; the first LSN on its timeline.
    samples: deque[tuple[float, int]] = field(default_factory=deque)
    first_lsn: int = 0

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


_servers: dict[str, Server] = {}
# When a check got no answer from a host, until one does, or has not asked for SECONDS_TO_FORGET.
_silent: dict[Host, float] = {}
_lock = threading.Lock()
_thread = threading.local()
# What stands for the id of a reader who has none.
_anonymous = threading.local()


def is_replica(alias: str) -> bool:
    """Whether an alias is that of a replica."""
    return _SUFFIX in alias


@cache
def replicas_of(primary: str) -> tuple[str, ...]:
    """The aliases of a primary's replicas, at least one."""
    return tuple(
        alias for alias in connections if is_replica(alias) and primary_of(alias) == primary
    )


def replicas_for(primary: str, *, reader_id: int | None) -> tuple[str, ...]:
    """The same, in the order in which they are asked for a reader; None: an anonymous one.

    A reader has the same order everywhere: what another replica has may be older than what they saw
    a moment ago. Readers are spread evenly, also over those that are left (rendezvous hashing).
    """
    replicas = replicas_of(primary)
    if len(replicas) == 1:
        return replicas
    if reader_id is None:
        reader_id = vars(_anonymous).setdefault("id", random.randrange(2**32))  # noqa: S311

    def weight(replica: str) -> bytes:
        return blake2b(f"{reader_id} {replica}".encode(), digest_size=8).digest()

    return tuple(sorted(replicas, key=weight))


def primary_of(replica: str) -> str:
    """The alias of a replica's primary."""
    return replica.partition(_SUFFIX)[0]


def answers(alias: str) -> bool:
    """Whether a server answered when it was last asked."""
    return server_of(alias).answers


def is_in_rotation(replica: str) -> bool:
    """Whether a replica answers, does not lag too much, and is not one of several that is the
    primary.
    """
    server = server_of(replica)
    if not server.is_standby and len(replicas_of(primary_of(replica))) > 1:
        return False
    if server.lag is None:  # not checked yet, or never
        return server.answers and not server.is_checked
    return server.answers and server.lag <= settings.REPLICA_MAX_LAG


def is_steady(replica: str) -> bool:
    """Whether a replica is in rotation, and has been there for a while if it ever was not."""
    return is_in_rotation(replica) and server_of(replica).out_since is None


def lsn_when_out(replica: str) -> int | None:
    """For a replica that is out of rotation: an LSN of the primary from when no process read from
    it any more. None: not known yet.
    """
    return server_of(replica).lsn_when_out


def note_rotation(replica: str) -> None:
    """Note whether a replica is in rotation; only its checks call this."""
    server, now = server_of(replica), time.monotonic()
    if is_in_rotation(replica):
        if server.out_since is not None:
            server.back_since = server.back_since or now
            server.lsn_when_out = None
            if now - server.back_since > SECONDS_TO_SETTLE:
                server.out_since = server.back_since = None
        return
    if server.out_since is None or server.back_since is not None:
        server.out_since, server.back_since = now, None
    samples = server_of(primary_of(replica)).samples
    if server.lsn_when_out is None and samples:
        at, lsn = samples[-1]
        if at - server.out_since > SECONDS_TO_SETTLE:
            server.lsn_when_out = lsn


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
        first = server_of(primary_of(replica)).first_lsn
        connected.replayed = server_lsn(replica, first=first)
    return connected.replayed >= lsn


def require_timeline(primary: str, lsn: int) -> None:
    """Leave connections that may lead to a former primary, which has not got this LSN's timeline.

    A new connection leads to one that has, or to none.
    """
    server = server_of(primary)
    if note_timeline(server.hosts, timeline_of(lsn)):
        server.last_down = time.monotonic()


def note_connected(alias: str) -> None:
    """Note that this thread has a new connection: maybe to another server, with a lower LSN."""
    _thread.__dict__[alias] = _Connected()


def is_outlived(alias: str) -> bool:
    """Whether the server was down since this thread connected to it: the connection is dead."""
    last_down = server_of(alias).last_down
    return last_down is not None and _connected(alias).at < last_down


def is_silent_at(host: str, port: int) -> bool:
    """Whether the last check of an address got no answer; failed requests do not count."""
    silent_at = _silent.get((host, str(port)))
    return silent_at is not None and time.monotonic() - silent_at < SECONDS_TO_FORGET


def note_checked(hosts: Collection[Host], *, silent: Collection[Host] = ()) -> None:
    """Note what a check has found out about some hosts."""
    for host in hosts:
        _silent.pop(host, None)
    _silent.update(dict.fromkeys(silent, time.monotonic()))


def server_of(alias: str) -> Server:
    """The server that an alias leads to."""
    name, hosts = _address(alias)
    server = _servers.get(name)
    if server is None:
        with _lock:
            server = _servers.setdefault(name, Server(name, hosts))
    return server


def _connected(alias: str) -> _Connected:
    known: dict[str, _Connected] = _thread.__dict__
    return known.setdefault(alias, _Connected())


@cache
def _address(alias: str) -> tuple[str, tuple[Host, ...]]:
    hosts = tuple(hosts_of(connections[alias].settings_dict))
    role = "replica" if is_replica(alias) else "primary"
    return f"{role} {','.join(map(':'.join, hosts))}", hosts
