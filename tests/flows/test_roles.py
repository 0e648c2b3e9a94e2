"""The Read API refuses writes, and PostgreSQL refuses writes of its sessions."""

import os
import subprocess
import sys

import httpx
import pytest

from devstack.layout import PROJECT_DIR
from devstack.lifecycle import Stack

WRITE = """
import django; django.setup()
from django.db import connections
for alias in ("default", "posts", "comments"):
    with connections[alias].cursor() as cursor:
        try:
            cursor.execute("CREATE TABLE written (id int)")
        except Exception as error:
            print(type(error.__cause__).__name__)
"""


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PURGE"])
def test_the_read_api_refuses_methods_that_are_not_safe(stack: Stack, method: str) -> None:
    for instance in stack.status("read-api-1", "read-api-2"):
        answer = httpx.request(method, f"{instance.url}/api/v1/posts", json={})
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_its_sessions_are_read_only_on_the_primaries_too(stack: Stack) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITE],
        env=os.environ | {"API_ROLE": "read"},
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["ReadOnlySqlTransaction"] * 3
