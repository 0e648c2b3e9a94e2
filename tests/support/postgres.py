"""PostgreSQL servers of tests, beside those of the stack."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psutil
import psycopg2

from devstack.layout import DATABASES, HOST, POSTGRES_PASSWORD, POSTGRES_USER
from devstack.postgres import SETTINGS, Postgres, remove_data, unprivileged_account
from devstack.probes import connect, query
from tests.support.client import wait_until
from tests.support.ports import free_port


@contextmanager
def files(folder: Path) -> Iterator[Postgres]:
    """The programs, and room for data, of servers in a new folder; removed in the end."""
    folder.mkdir()
    account = unprivileged_account(os.environ.get("STACK_POSTGRES_ACCOUNT"))
    try:
        yield Postgres(folder, primary_port=free_port(), replica_port=0, account=account)
    finally:
        remove_data(folder)


@contextmanager
def running(
    postgres: Postgres, data: Path, port: int, options: Mapping[str, str]
) -> Iterator[psutil.Popen]:
    """Run a server on its data."""
    account = None if postgres.account is None else pwd.getpwnam(postgres.account)
    settings = {**SETTINGS, "shared_buffers": "64MB", "port": str(port), **options}
    command = [str(postgres.bin_dir / "postgres"), "-D", str(data)]
    command += [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    with (postgres.var_dir / f"{port}.log").open("wb") as log:
        process = psutil.Popen(
            command,
            user=account and account.pw_uid,
            group=account and account.pw_gid,
            extra_groups=[] if account else None,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: answers(port), 20)
        yield process
    finally:
        end(process)


def end(process: psutil.Popen) -> None:
    """Kill a server and its processes: some wait for a client for a while, others are frozen."""
    if process.is_running():
        children = process.children(recursive=True)
        for one in (process, *children):
            one.kill()
        process.wait()
        psutil.wait_procs(children, 10)


def freeze(process: psutil.Popen) -> None:
    """Stop a server and its processes: it keeps its connections, and answers nothing."""
    for one in (process, *process.children(recursive=True)):
        one.suspend()


def thaw(process: psutil.Popen) -> None:
    """Let a frozen server go on."""
    for one in (process, *process.children(recursive=True)):
        one.resume()


@contextmanager
def replica_of(
    postgres: Postgres, primary: int, options: Mapping[str, str] | None = None
) -> Iterator[tuple[int, psutil.Popen]]:
    """Run one more replica of a running primary; its port and its process."""
    port = free_port()
    data = postgres.home / str(port)
    postgres._make_home()
    postgres._run(
        *("pg_basebackup", "--host", HOST, "--port", str(primary), "--username", POSTGRES_USER),
        *("--no-password", "--pgdata", str(data), "--write-recovery-conf", "--no-sync"),
        *("--checkpoint", "fast"),
    )
    try:
        with running(postgres, data, port, options or {}) as process:
            wait_until(lambda: follows(port), 20)
            yield port, process
    finally:
        shutil.rmtree(data)


def answers(port: int) -> bool:
    try:
        return query(port, "SELECT 1") == (1,)
    except psycopg2.OperationalError:
        return False


def follows(port: int) -> bool:
    """Whether a replica receives what its primary writes."""
    return query(port, "SELECT status FROM pg_stat_wal_receiver") == ("streaming",)


class Group:
    """A primary with two replicas, which wait for each other: a commit is answered when a replica
    has written it, too. Each host may become the primary.
    """

    OPTIONS = {"synchronous_standby_names": "ANY 1 (*)", "wal_keep_size": "256MB"}

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self.account, self.folder = postgres.account, postgres.home
        self.primary = postgres.primary_port
        self.replicas: list[int] = []
        self.processes: dict[int, psutil.Popen] = {}

    @contextmanager
    def run(self) -> Iterator[None]:
        """Run the servers, with the three databases."""
        self._postgres.make_primary()
        data = self._postgres.data_dirs["primary"]
        with ExitStack() as started:
            server = running(self._postgres, data, self.primary, self.OPTIONS)
            self.processes[self.primary] = started.enter_context(server)
            self._postgres.make_databases()
            for _ in range(2):
                port, process = started.enter_context(
                    replica_of(self._postgres, self.primary, self.OPTIONS)
                )
                self.replicas.append(port)
                self.processes[port] = process
            yield

    def urls(self, ports: Sequence[int] = ()) -> dict[str, str]:
        """The URLs of the databases, each with all hosts, for primaries and for replicas.

        `ports`: of what stands in front of the servers.
        """
        hosts = ",".join(f"{HOST}:{port}" for port in ports or (self.primary, *self.replicas))
        login = f"postgres://{POSTGRES_USER}:{POSTGRES_PASSWORD}@"
        return {
            f"{database.upper()}_{kind}_URL": f"{login}{hosts}/socialfeed_{database}"
            for database in DATABASES
            for kind in ("DATABASE", "REPLICA")
        }

    def promote(self) -> None:
        """What a manager does once the primary is gone: the replica that has received most becomes
        the primary, and the other one follows it.
        """
        received = "SELECT (pg_last_wal_receive_lsn() - '0/0')::bigint"
        *others, new = sorted(self.replicas, key=lambda port: query(port, received))
        query(new, "SELECT pg_promote(true, 20)")
        for port in others:
            login = f"user={POSTGRES_USER} password={POSTGRES_PASSWORD}"
            conninfo = f"host={HOST} port={new} {login}"
            with closing(connect(port)) as connection, connection.cursor() as cursor:
                cursor.execute(f"ALTER SYSTEM SET primary_conninfo = '{conninfo}'")
                cursor.execute("SELECT pg_reload_conf()")
        self.primary, self.replicas = new, others
