"""The hosts of a database's primary. A manager of failovers, such as Patroni, decides which of them
it is; who opens a connection finds out.

libpq takes a list of hosts, too. But it begins with the first one each time. And while psycopg2
waits by a hook (`core.sql.deadlines`), it waits for a host that is frozen, and asks no other one.
"""

import time
from collections.abc import Callable, Collection, Mapping
from enum import IntEnum
from typing import Any

import psycopg2
from psycopg2 import extensions

from core.sql.deadlines import SECONDS_TO_CONNECT, BudgetSpent, NoAnswer, deadline
from core.sql.wal import TIMELINE_SQL

Host = tuple[str, str]  # the name or address, and the port

# A host that gave no answer is not asked again for so long, if another one has answered.
SECONDS_OF_SILENCE = 5.0
# A server that is up takes or refuses a connection within milliseconds; one that refuses it later
# has answered all the same, and says that its error is fatal.
_LONG, _REFUSAL = 1.0, "FATAL"


class Reason(IntEnum):
    """Why a host was not used. Those with a lower one are asked sooner."""

    IS_STANDBY = 1
    IS_FORMER = 2
    REFUSED = 3
    NO_ANSWER = 4


# Of hosts that were not used when they were last asked: why, and when that was.
_failures: dict[Host, tuple[Reason, float]] = {}
# The newest timeline of the log (`core.sql.wal`) that is known of a primary, by its hosts, and when
# it was last seen. After SECONDS_TO_FORGET_A_LOG, the hosts may have another log: of a restored
# backup.
_timelines: dict[tuple[Host, ...], tuple[int, float]] = {}
SECONDS_TO_FORGET_A_LOG = 120.0


def hosts_of(parameters: Mapping[str, Any]) -> list[Host]:
    """The hosts in a connection's parameters, or in Django's settings of a database."""
    given = {name.lower(): str(value or "") for name, value in parameters.items()}
    names, ports = given.get("host", "").split(","), given.get("port", "").split(",")
    return [(name, port or "5432") for name, port in zip(names, ports, strict=True)]


def connect(
    open_connection: Callable[[dict[str, Any]], extensions.connection],
    parameters: dict[str, Any],
    *,
    skip_silent: bool = True,
) -> extensions.connection:
    """`open_connection(parameters)`, for each host alone until one is the primary.

    A former primary, which is on an older timeline of the log than is known, is not used. Raises
    psycopg2.OperationalError, with what each host said. A single host may be a replica.
    `skip_silent`: if a host has answered, others that gave no answer a moment ago are not asked.
    """
    hosts = hosts_of(parameters)
    if len(hosts) == 1:
        return open_connection(parameters)
    errors: list[str] = []
    has_answer = False
    for host in sorted(hosts, key=lambda host: _failures.get(host, (0, 0.0))):
        if has_answer and skip_silent and _is_silent(host):
            errors.append("{}:{} did not answer a moment ago".format(*host))
            continue
        began = time.monotonic()
        try:
            connection = open_connection(parameters | {"host": host[0], "port": host[1]})
            reason = _reason_against(connection, tuple(hosts))
        except BudgetSpent:
            raise
        except psycopg2.OperationalError as error:
            text = str(error).strip()
            is_late = time.monotonic() - began > _LONG and _REFUSAL not in text
            is_silent = isinstance(error, NoAnswer) or is_late
            has_answer |= not is_silent
            _note(host, Reason.NO_ANSWER if is_silent else Reason.REFUSED)
            errors.append(text)
            continue
        has_answer = True
        if reason is None:
            _failures.pop(host, None)
            return connection
        connection.close()
        _note(host, reason)
        is_what = "standby" if reason == Reason.IS_STANDBY else "former primary"
        errors.append("{}:{} is a {}".format(*host, is_what))
    raise psycopg2.OperationalError("; ".join(errors))


def note_timeline(hosts: tuple[Host, ...], timeline: int) -> bool:
    """Note a timeline of the log that the primary among several hosts is on; whether it is new."""
    known = _newest_timeline(hosts)
    if len(hosts) == 1 or timeline < known:
        return False
    _timelines[hosts] = timeline, time.monotonic()
    return timeline > known


def is_former(hosts: tuple[Host, ...], timeline: int) -> bool:
    """Whether one of several hosts that writes this timeline is the primary no more."""
    return timeline < _newest_timeline(hosts)


def _newest_timeline(hosts: tuple[Host, ...]) -> int:
    timeline, seen_at = _timelines.get(hosts, (0, 0.0))
    return timeline if time.monotonic() - seen_at < SECONDS_TO_FORGET_A_LOG else 0


def unreachable(hosts: Collection[Host]) -> set[Host]:
    """After `connect` has found no primary: the hosts that gave no answer."""
    if len(hosts) == 1:
        return set(hosts)
    return {host for host in hosts if _reason(host) == Reason.NO_ANSWER}


def note_answer(host: Host) -> None:
    """Note that a host answers, over a connection that is open already."""
    if _reason(host) == Reason.NO_ANSWER:
        _failures.pop(host, None)


def note_silence(host: Host) -> None:
    """Note that a host does not answer, over a connection that was open already."""
    _note(host, Reason.NO_ANSWER)


def _reason_against(connection: extensions.connection, hosts: tuple[Host, ...]) -> Reason | None:
    """Why a connection does not lead to the primary among some hosts; None: it does."""
    connection.autocommit = True
    try:
        # A pooler takes a connection at once, also if its server is frozen.
        with deadline(SECONDS_TO_CONNECT), connection.cursor() as cursor:
            cursor.execute(f"SELECT {TIMELINE_SQL}")
            (timeline,) = cursor.fetchone() or (0,)
    except psycopg2.Error:
        connection.close()
        raise
    if timeline == 0:
        return Reason.IS_STANDBY
    note_timeline(hosts, timeline)
    return Reason.IS_FORMER if is_former(hosts, timeline) else None


def _reason(host: Host) -> int:
    return _failures.get(host, (0, 0.0))[0]


def _is_silent(host: Host) -> bool:
    reason, at = _failures.get(host, (0, 0.0))
    return reason == Reason.NO_ANSWER and time.monotonic() - at < SECONDS_OF_SILENCE


def _note(host: Host, reason: Reason) -> None:
    _failures[host] = (reason, time.monotonic())
