"""gunicorn's settings for the Read API and the Write API, from the environment.

GUNICORN_BIND, GUNICORN_WORKERS, GUNICORN_THREADS: the defaults suit a developer's machine.
GUNICORN_METRICS_DIR: the folder in which the workers of this instance store their metrics.
"""

import gc
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from runpy import run_path
from typing import Any

bind = os.environ.get("GUNICORN_BIND", "127.0.0.1:8000")
workers = int(os.environ.get("GUNICORN_WORKERS", "2"))
# More threads would only slow each request down; others wait, up to MAX_REQUESTS_IN_FLIGHT. A read
# needs only CPU time, but for some tenths of a millisecond; a write also waits for disks.
_reads_only = os.environ.get("API_ROLE") == "read"
_threads = "2" if _reads_only else "4"
threads = int(os.environ.get("GUNICORN_THREADS") or _threads)
worker_class = "core.http.serving.DrainingWorker"
http_parser = "auto"  # the C parser if it is installed
# Longer than Caddy keeps an idle connection (30 s), so Caddy closes it: gunicorn never closes a
# connection on which a request is arriving.
keepalive = 45
timeout = 30
# How long a stop waits to drain and for running requests.
graceful_timeout = 15
# Only a web server on this machine may name the client's address.
forwarded_allow_ips = "127.0.0.1,::1"
# No header may set SCRIPT_NAME or PATH_INFO.
forwarder_headers = ""
# Each worker loads the code itself: a new worker finds new code, and shares no connection.
preload_app = False
accesslog = None  # Caddy writes it
errorlog = "-"
control_socket_disable = True

# This process logs in the format of its workers, which use Django's settings. The module is run by
# its path: an imported module would stay, as old code, in the workers of a later deploy.
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
    # No handler of its own: the root handles it.
    "loggers": {"gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True}},
}

# Each worker counts into a file in this folder; any worker adds up all files to answer /metrics.
# Two instances never share a folder. After a reload or an upgrade it is the same folder.
_metrics_dir = Path(
    os.environ.get("GUNICORN_METRICS_DIR") or tempfile.mkdtemp(prefix="socialfeed-metrics-")
)
# prometheus_client reads the second name.
os.environ["GUNICORN_METRICS_DIR"] = os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_metrics_dir)


def _remove_metrics(of: str = "*") -> None:
    for file in _metrics_dir.glob(f"{of}.db"):
        file.unlink()


def on_starting(server: Any) -> None:
    """Start with no metrics, except in an upgrade: the predecessor still uses them."""
    _metrics_dir.mkdir(parents=True, exist_ok=True)
    if not server.master_pid:
        _remove_metrics()


def post_worker_init(worker: Any) -> None:
    """Take the loaded code out of the garbage collector's work; set how soon threads take turns.

    A collection of all objects stops every thread for some 40 ms: the code, its classes and the
    URLs are 150,000 objects, and stay anyway.

    Short writes get the interpreter's lock soon while an upload's body is parsed. A thread asks for
    the lock after this many seconds (Python's default is 0.005), and a like needs it some thirty
    times. Reads have no such neighbours, and are faster with the default.
    """
    gc.collect()
    gc.freeze()
    if not _reads_only:
        sys.setswitchinterval(0.0005)


def child_exit(server: Any, worker: Any) -> None:
    """A worker has ended: keep its counters, remove its live gauges."""
    _remove_metrics(of=f"gauge_live*_{worker.pid}")


def on_exit(server: Any) -> None:
    """Remove the metrics with the instance, except in an upgrade: its successor uses them."""
    if not server.master_pid and not server.reexec_pid:
        _remove_metrics()
        with suppress(OSError):  # it has other files in it
            _metrics_dir.rmdir()
