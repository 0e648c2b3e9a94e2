"""What the tests of Fan-out share."""

from __future__ import annotations

import pytest

from usergraph.services import import_follows


@pytest.fixture
def follows(alice: int, bob: int) -> None:
    """Alice follows bob."""
    list(import_follows(edges=[(alice, bob)]))
