"""The fuzzer, run like `make fuzz` but for fewer requests, on a stack of its own."""

import subprocess
import sys
from collections.abc import Callable

from devstack.layout import PROJECT_DIR

REQUESTS = 2000
SECONDS = 600


def test_random_requests_find_nothing_wrong(measured: Callable[[str], None]) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--requests", str(REQUESTS), "--seed", "7"]
    done = subprocess.run(
        command, cwd=PROJECT_DIR, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    total = done.stdout.splitlines()[-1]
    assert int(total.split()[0].replace(",", "")) >= REQUESTS, total
    measured(total)
