"""PgBouncer of Debian's package, in transaction mode, in front of one PostgreSQL server."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from devstack.layout import DATABASES, HOST, POSTGRES_PASSWORD, POSTGRES_USER, is_free
from tests.support.client import wait_until
from tests.support.ports import free_port

PROGRAM = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
# Each database has so many sessions at the server, however many connections clients have.
SESSIONS = 8
# What the APIs set themselves without a pooler.
_SESSION = "SET statement_timeout = 5000; SET idle_in_transaction_session_timeout = 60000"


def is_installed() -> bool:
    """Whether the package `pgbouncer` is."""
    return Path(PROGRAM).exists()


@contextmanager
def bouncer(folder: Path, server: int, account: str | None) -> Iterator[int]:
    """Run one for the server at a port, as an account that can read the folder; its own port."""
    port = free_port()
    login = f"user={POSTGRES_USER} password={POSTGRES_PASSWORD}"
    names = ["postgres", *(f"socialfeed_{database}" for database in DATABASES)]
    databases = [
        f"{name} = host={HOST} port={server} dbname={name} {login} connect_query='{_SESSION}'"
        for name in names
    ]
    config = folder / f"pgbouncer-{server}.ini"
    config.write_text(
        "\n".join(
            [
                "[databases]",
                *databases,
                "[pgbouncer]",
                f"listen_addr = {HOST}",
                f"listen_port = {port}",
                "unix_socket_dir =",
                "auth_type = any",
                "pool_mode = transaction",
                f"default_pool_size = {SESSIONS}",
                "max_client_conn = 1000",
                # So that a server that is lost is found soon, and one that is back, too.
                "server_connect_timeout = 2",
                "server_login_retry = 1",
            ]
        )
    )
    config.chmod(0o644)
    command = [PROGRAM, *(["-u", account] if account else []), str(config)]
    with (folder / f"pgbouncer-{server}.log").open("wb") as log:
        process = psutil.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: not is_free(port), 10)
        yield port
    finally:
        process.terminate()
        process.wait()
