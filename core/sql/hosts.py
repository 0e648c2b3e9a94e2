"""The hosts of a database's primary. A manager of failovers, such as Patroni, decides which of them
it is; who opens a connection finds out.

libpq takes a list of hosts, too. But it begins with the first one each time. And while psycopg2
waits by a hook (`core.sql.deadlines`), it waits for a host that is frozen, and asks no other one.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import psycopg2

from core.sql.deadlines import BudgetSpent

Connection = TypeVar("Connection")
Host = tuple[str, str]  # the name or address, and the port

# When a host could not be reached, or was no primary. Those that failed last are asked last.
_failed_at: dict[Host, float] = {}


def hosts_of(parameters: Mapping[str, Any]) -> list[Host]:
    """The hosts in a connection's parameters, or in Django's settings of a database."""
    given = {name.lower(): str(value or "") for name, value in parameters.items()}
    names, ports = given.get("host", "").split(","), given.get("port", "").split(",")
    return [(name, port or "5432") for name, port in zip(names, ports, strict=True)]


def connect(
    open_connection: Callable[[dict[str, Any]], Connection], parameters: dict[str, Any]
) -> Connection:
    """`open_connection(parameters)`, for each host alone until one is the primary.

    Raises psycopg2.OperationalError, with what each host said.
    """
    hosts = hosts_of(parameters)
    if len(hosts) == 1:
        return open_connection(parameters)
    errors: list[str] = []
    for host in sorted(hosts, key=lambda host: _failed_at.get(host, 0.0)):
        try:
            connection = open_connection(parameters | {"host": host[0], "port": host[1]})
        except BudgetSpent:
            raise
        except psycopg2.OperationalError as error:
            _failed_at[host] = time.monotonic()
            errors.append(str(error).strip())
        else:
            _failed_at.pop(host, None)
            return connection
    raise psycopg2.OperationalError("; ".join(errors))
