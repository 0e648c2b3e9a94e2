"""What the tests of the local stack share."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from devstack import launch
from devstack.layout import Layout, free_port_base
from devstack.lifecycle import Stack
from tests.support.whole_service import ServiceOn, WholeService


@pytest.fixture
def own_environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a test's own stack: an unused folder and unused ports."""
    replaced = {*Layout(1024, tmp_path).urls(), "PUBLIC_ORIGIN", "STATIC_ROOT", launch.STACK_MARK}
    inherited = {key: value for key, value in os.environ.items() if key not in replaced}
    environ = {
        **inherited,
        "STACK_PORT_BASE": str(free_port_base()),
        "STACK_VAR_DIR": str(tmp_path / "var"),
    }
    yield environ
    Stack(environ | {"STACK_PORT_BASE": ""}).remove()  # whatever ports it has now


@pytest.fixture
def service_on(own_environ: dict[str, str]) -> Iterator[ServiceOn]:
    """A function that starts the whole service on servers of the test, given by their URLs."""
    with ExitStack() as clients:

        def start(urls: Mapping[str, str]) -> WholeService:
            # Other ports than those of the servers, which run already.
            ports = {"STACK_PORT_BASE": str(free_port_base())}
            return WholeService({**own_environ, **ports, **urls}, clients)

        yield start
