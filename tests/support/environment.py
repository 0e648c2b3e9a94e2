"""The environment of a stack that belongs to tests: nothing of what a developer has set."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from devstack.layout import PROJECT_DIR
from devstack.ports import free_port_base

_EVERYWHERE = {
    "DJANGO_SETTINGS_MODULE": "socialfeed.settings",
    "SOCIALFEED_ENV": "local",
    "SOCIALFEED_ENV_FILE": os.devnull,
    # The stack's own audits would mend what a test has made wrong: never, while it runs.
    "TIMELINE_AUDIT_SECONDS": "86400",
    "COUNTERS_CHECK_SECONDS": "86400",
}


def set_up(folder: Path, settings: Mapping[str, str]) -> None:
    """Let this process, and whatever it starts, know a stack in `folder`, and these settings.

    To be called before Django's settings are read.
    """
    example = (PROJECT_DIR / ".env.example").read_text()
    for name in re.findall(r"^# ([A-Z0-9_]+)=", example, re.MULTILINE):
        os.environ.pop(name, None)
    os.environ |= _EVERYWHERE
    os.environ |= {
        "STACK_PORT_BASE": str(free_port_base()),
        "STACK_VAR_DIR": str(folder / "var"),
        "EMAIL_URL": f"filemail:///{folder / 'mail'}",
    }
    os.environ |= settings


@contextmanager
def own_environment(name: str, settings: Mapping[str, str]) -> Iterator[Path]:
    """For a program that starts stacks: Django set up for one in a folder that is gone at the end.

    Asked to end, it does as for Ctrl-C, and so takes its stack down.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix=f"socialfeed-{name}-"))
    try:
        set_up(folder, settings)
        import_module("django").setup()
        yield folder
    finally:
        shutil.rmtree(folder)
