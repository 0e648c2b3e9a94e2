"""supervisord: its configuration file, its start as a daemon and its XML-RPC interface.

Each program is the launcher (`launch`) with a specification file, so no secret, `%` or quote of an
environment is written in supervisord's configuration syntax. With `startsecs=0` a program counts as
started at once and is restarted without end and without back-off; the launcher slows that down.
Probes tell whether a service really runs.
"""

import hashlib
import http.client
import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack import launch
from devstack.instances import role_of
from devstack.layout import StackError, control_socket
from devstack.services import Service

SECONDS_TO_STOP = 20
# After that a program is killed, and is gone within these seconds.
SECONDS_TO_KILL = 5
POLL_INTERVAL = 0.1
# Fault codes of supervisord's interface.
SHUTTING_DOWN, ALREADY_STARTED, NOT_RUNNING, ALREADY_ADDED = 6, 60, 70, 90


class ShuttingDownError(OSError):
    """supervisord is stopping its programs, and refuses all other calls."""


@dataclass(frozen=True)
class Program:
    """The state of a program in supervisord; `pid` is 0 when it does not run."""

    state: str
    pid: int


class _Transport(xmlrpc.client.Transport):
    """Sends calls to a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("localhost")
        # The transport closes the connection that is stored here.
        self._connection = (host, connection)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(10)
        connection.sock.connect(str(self._path))
        return connection


class Supervisor:
    """The supervisord of one stack; its files are in `run/` and `log/` of `var_dir`."""

    def __init__(self, var_dir: Path) -> None:
        self.var_dir = var_dir
        self.run_dir = var_dir / "run"

    @property
    def socket_path(self) -> Path:
        """The control socket, in the folder that `_make_socket_dir` has made."""
        return control_socket(self.var_dir)

    def is_running(self) -> bool:
        """Whether supervisord runs. True while it is shutting down."""
        try:
            self._call("getState")
        except ShuttingDownError:
            return True
        except OSError:
            return False
        return True

    def pid(self) -> int:
        """The pid of supervisord; 0 when it does not run."""
        # It writes the file before it answers the first call.
        return int((self.run_dir / "supervisord.pid").read_text()) if self.is_running() else 0

    def start(self, services: Iterable[Service], environ: Mapping[str, str]) -> None:
        """Start the daemon in a session of its own; starts none of its programs."""
        self._make_socket_dir()
        for service in services:
            self._write_spec(service, {**environ, **service.environ})
        _write_private(self.run_dir / "supervisord.conf", self._config(services))
        done = subprocess.run(
            [sys.executable, "-I", "-m", "supervisor.supervisord", "-c", "run/supervisord.conf"],
            cwd=self.var_dir,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
        if done.returncode != 0:
            raise StackError(f"supervisord does not start: {done.stdout}{done.stderr}")

    def add(self, added: Iterable[Service], *, services: Iterable[Service]) -> None:
        """Add programs to the running daemon; starts none. `services`: all that it has then.

        Each gets the environment of the first instance of its role, whatever this process has, but
        for what instances do not share.
        """
        known = {service.name: service for service in services}
        for service in added:
            first = known[f"{role_of(service.name)}-1"]
            spec: launch.Spec = json.loads(self._spec_file(first.name).read_text())
            own = {k: v for k, v in service.environ.items() if first.environ.get(k) != v}
            self._write_spec(service, {**spec["environ"], **own})
        self._reload(services)
        for service in added:
            self._call("addProcessGroup", service.name, unless=ALREADY_ADDED)

    def remove(self, names: Iterable[str], *, services: Iterable[Service]) -> None:
        """Remove programs, which have ended, from the running daemon. `services`: the others."""
        for name in names:
            self._call("removeProcessGroup", name)
            self._spec_file(name).unlink(missing_ok=True)
        self._reload(services)

    def _reload(self, services: Iterable[Service]) -> None:
        _write_private(self.run_dir / "supervisord.conf", self._config(services))
        self._call("reloadConfig")

    def _spec_file(self, name: str) -> Path:
        return self.run_dir / "services" / f"{name}.json"

    def _write_spec(self, service: Service, environ: Mapping[str, str]) -> None:
        spec: launch.Spec = {
            "command": list(service.command),
            "environ": {**environ, launch.SERVICE_MARK: service.name},
            "cwd": str(service.cwd),
            "account": service.account,
        }
        file = self._spec_file(service.name)
        file.parent.mkdir(exist_ok=True)
        _write_private(file, json.dumps(spec, indent=1))

    def programs(self) -> dict[str, Program]:
        """All programs by name; empty when supervisord does not run or is shutting down."""
        try:
            infos = self._call("getAllProcessInfo")
        except OSError:
            return {}
        return {info["name"]: Program(info["statename"], info["pid"]) for info in infos}

    def start_program(self, name: str) -> None:
        """Start a program, unless it runs. First waits for one that is stopping to end."""
        # supervisord takes the call for a program that is stopping, and starts nothing.
        deadline = time.monotonic() + SECONDS_TO_STOP + SECONDS_TO_KILL
        while self._call("getProcessInfo", name)["statename"] == "STOPPING":
            if time.monotonic() > deadline:
                raise StackError(f"{name} does not stop, and so is not started.")
            time.sleep(POLL_INTERVAL)
        self._call("startProcess", name, False, unless=ALREADY_STARTED)

    def stop_program(self, name: str) -> None:
        """Ask a program to end, if it runs; returns at once. Killed after SECONDS_TO_STOP."""
        self._call("stopProcess", name, False, unless=NOT_RUNNING)

    def shutdown(self) -> None:
        """Tell supervisord to exit and do not wait."""
        with suppress(ShuttingDownError):
            self._call("shutdown")

    def _call(self, method: str, *args: object, unless: int | None = None) -> Any:
        """Call supervisord. Raises OSError if it does not answer; ignores the fault `unless`."""
        with xmlrpc.client.ServerProxy("http://stack", _Transport(self.socket_path)) as proxy:
            try:
                return getattr(proxy.supervisor, method)(*args)
            except xmlrpc.client.Fault as fault:
                if fault.faultCode == SHUTTING_DOWN:
                    raise ShuttingDownError from fault
                if fault.faultCode != unless:
                    raise
        return None

    def _make_socket_dir(self) -> None:
        # The path of a socket has at most 107 bytes, so it may not fit in the project's folder. A
        # link leads to it, because a later command may have another TMPDIR.
        link = self.run_dir / "control"
        name = hashlib.sha256(str(self.run_dir).encode()).hexdigest()[:12]
        folder = Path(tempfile.gettempdir(), f"socialfeed-{os.getuid()}-{name}")
        folder.mkdir(mode=0o700, exist_ok=True)
        owner = folder.lstat()
        if owner.st_uid != os.getuid() or owner.st_mode & 0o077 or folder.is_symlink():
            raise StackError(f"{folder} is not this account's alone; remove it and try again.")
        link.unlink(missing_ok=True)
        link.symlink_to(folder)

    def remove_files(self) -> None:
        """Remove the files of a supervisord that has ended."""
        link = self.run_dir / "control"
        if link.is_symlink():
            folder = link.resolve()
            if folder.is_dir():
                for file in folder.iterdir():
                    file.unlink()
                folder.rmdir()
            link.unlink()
        (self.run_dir / "supervisord.pid").unlink(missing_ok=True)

    def _config(self, services: Iterable[Service]) -> str:
        # Paths are relative to `var_dir`, where supervisord runs: a full path may have a `%`, which
        # has a meaning in this syntax, in some values twice.
        sections: dict[str, dict[str, object]] = {
            "supervisord": {
                "logfile": "log/supervisord.log",
                "logfile_maxbytes": "10MB",
                "logfile_backups": 1,
                "pidfile": "run/supervisord.pid",
                "childlogdir": "log",
            },
            "unix_http_server": {"file": self.socket_path, "chmod": "0700"},
            "rpcinterface:supervisor": {
                "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
            },
        }
        if os.getuid() == 0:
            # Without this supervisord warns about root; the launcher changes the account.
            sections["supervisord"]["user"] = "root"
        # Isolated (-I): the caller's PYTHONPATH and folder have no effect.
        launcher = shlex.join([sys.executable, "-I", launch.__file__]).replace("%", "%%")
        for service in services:
            sections[f"program:{service.name}"] = {
                "command": f"{launcher} run/services/{service.name}.json",
                "autostart": "false",
                "autorestart": "true",
                "startsecs": 0,
                "stopsignal": service.stop_signal,
                "stopwaitsecs": SECONDS_TO_STOP,
                "killasgroup": "true",
                "redirect_stderr": "true",
                "stdout_logfile": f"log/{service.name}.log",
                "stdout_logfile_maxbytes": "10MB",
                "stdout_logfile_backups": 2,
            }
        return "".join(
            f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
            for section, keys in sections.items()
        )


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
