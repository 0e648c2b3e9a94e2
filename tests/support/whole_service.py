"""The whole service on servers of a test, by their URLs alone."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack

from devstack.lifecycle import Stack
from tests.support.client import Person, sign_up
from tests.support.stacks import manage, up


class WholeService:
    """A stack that this starts. `clients` are closed at the end."""

    def __init__(self, environ: Mapping[str, str], clients: ExitStack) -> None:
        self.environ = environ
        self._clients = clients
        up(environ)
        self.stack = Stack(environ)
        assert self.is_well()

    def joined(self, username: str) -> Person:
        """Somebody new."""
        person = sign_up(self.stack.layout.public_origin, username)
        self._clients.callback(person.http.close)
        return person

    def is_well(self) -> bool:
        """Whether all answers that `stack status` shows."""
        return manage(self.environ, "status").returncode == 0


# Starts the service with these settings.
ServiceOn = Callable[[Mapping[str, str]], WholeService]
