"""Simulates requests that are killed."""

import pytest

from core.outbox import events
from posts import services as post_services


def die_after_commit(patch: pytest.MonkeyPatch) -> None:
    """Let requests commit, but do nothing after the commit."""
    for module in (events, post_services):
        patch.setattr(module, "after_commit", lambda *_, **__: None)
