"""gunicorn's settings for the Read API and the Write API, from the environment.

GUNICORN_BIND, GUNICORN_WORKERS and GUNICORN_THREADS; the defaults suit a developer's machine.
GUNICORN_METRICS_DIR, where the workers of this instance count what `/metrics` shows of them.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from runpy import run_path
from typing import Any

bind = os.environ.get("GUNICORN_BIND", "127.0.0.1:8000")
workers = int(os.environ.get("GUNICORN_WORKERS", "2"))
# More at once would only make each of them slower; the others wait, up to MAX_REQUESTS_IN_FLIGHT. A
# read is the processor's alone but for some tenths of a millisecond; who writes waits for disks.
_threads = "2" if os.environ.get("API_ROLE") == "read" else "4"
threads = int(os.environ.get("GUNICORN_THREADS") or _threads)
worker_class = "core.http.serving.DrainingWorker"
# The C parser where it is installed.
http_parser = "auto"
# Longer than Caddy keeps an idle connection (30 s), so that it is Caddy who closes it: a request
# never meets a connection that is just being closed here.
keepalive = 45
timeout = 30
# How long a stop waits: to drain, and for requests that are being answered.
graceful_timeout = 15
# Only a web server on this machine may say who the client is.
forwarded_allow_ips = "127.0.0.1,::1"
# And nobody what part of the path is not ours.
forwarder_headers = ""
# A worker that is replaced must find new code, and shares no connection with another.
preload_app = False
# Caddy keeps the access log.
accesslog = None
errorlog = "-"
control_socket_disable = True

# The lines of this process look like those of its workers, to which Django's settings apply. By its
# path: a module of ours that was imported here would be old code in the workers of a later deploy.
_lines = run_path(str(Path(__file__).parents[1] / "socialfeed" / "settings" / "log_format.py"))
_format = os.environ.get("LOG_FORMAT") or _lines["default_format"](
    socialfeed_env=os.environ.get("SOCIALFEED_ENV", "local")
)
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "chosen": _lines["formatter"](_format, role=os.environ.get("API_ROLE", "all")),
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "chosen"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    # Instead of a handler of its own.
    "loggers": {"gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True}},
}

# Each worker counts into a file there, and any of them adds all up when it is asked for the figures
# of the instance; never a folder that two instances share. A reload and an upgrade find the same.
_metrics_dir = Path(
    os.environ.get("GUNICORN_METRICS_DIR") or tempfile.mkdtemp(prefix="socialfeed-metrics-")
)
# By its second name, prometheus_client knows it.
os.environ["GUNICORN_METRICS_DIR"] = os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_metrics_dir)


def _remove_figures(of: str = "*") -> None:
    for file in _metrics_dir.glob(f"{of}.db"):
        file.unlink()


def on_starting(server: Any) -> None:
    """Begin with no figures, unless this is an upgrade, whose predecessor is still at work."""
    _metrics_dir.mkdir(parents=True, exist_ok=True)
    if not server.master_pid:
        _remove_figures()


def child_exit(server: Any, worker: Any) -> None:
    """A worker has ended: what it has counted stays, what is true of it at the moment goes."""
    _remove_figures(of=f"gauge_live*_{worker.pid}")


def on_exit(server: Any) -> None:
    """The figures end with the instance; in an upgrade, there is another."""
    if not server.master_pid and not server.reexec_pid:
        _remove_figures()
        with suppress(OSError):  # somebody else's files are in it
            _metrics_dir.rmdir()
