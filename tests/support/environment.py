"""The environment of a test stack. It ignores a developer's own settings."""

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from devstack.layout import PROJECT_DIR, free_port_base

_EVERYWHERE = {
    "DJANGO_SETTINGS_MODULE": "socialfeed.settings",
    "SOCIALFEED_ENV": "local",
    "SOCIALFEED_ENV_FILE": os.devnull,
    # The stack's audits would repair data that a test breaks on purpose, so they never run.
    "TIMELINE_AUDIT_SECONDS": "86400",
    "COUNTERS_CHECK_SECONDS": "86400",
}


def set_up(folder: Path, settings: Mapping[str, str]) -> None:
    """Point this process, and all that it starts, to a stack in `folder` with these settings.

    Call this before Django's settings are read.
    """
    example = (PROJECT_DIR / ".env.example").read_text()
    for name in re.findall(r"^# ([A-Z0-9_]+)=", example, re.MULTILINE):
        os.environ.pop(name, None)
    os.environ |= _EVERYWHERE
    os.environ |= {
        "STACK_PORT_BASE": str(free_port_base()),
        "STACK_VAR_DIR": str(folder / "var"),
        "EMAIL_URL": f"filemail:///{folder / 'mail'}",
        # No server of a stack speaks TLS. httpx would load the certificates of the world for each
        # request without a client, which takes longer than the request.
        "SSL_CERT_DIR": str(folder),
    }
    os.environ |= settings


@contextmanager
def own_environment(name: str, settings: Mapping[str, str]) -> Iterator[Path]:
    """For a program that starts stacks: set up Django for a stack in a temporary folder.

    Yields the folder. SIGTERM acts like Ctrl-C, so that the program takes its stack down.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix=f"socialfeed-{name}-"))
    try:
        set_up(folder, settings)
        import_module("django").setup()
        yield folder
    finally:
        shutil.rmtree(folder)
