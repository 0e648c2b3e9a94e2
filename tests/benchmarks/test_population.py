"""The timelines that the benchmark stores, on a real stack."""

from itertools import count
from random import randrange

import pytest
from django.conf import settings

from tests.benchmarks.population import warm_one
from timeline import store
from timeline.keys import home_key
from timeline.store import Viewing

pytestmark = pytest.mark.usefixtures("stack")

_user_ids = count(randrange(10**9) * 10**6)


@pytest.mark.parametrize("number", [0, 24, settings.TIMELINE_CAP])
def test_a_timeline_that_is_not_full_knows_its_end(number: int) -> None:
    """Otherwise each read that wants one entry more would look for older posts in SQL."""
    key = home_key(next(_user_ids))
    warm_one(key, [(post_id, 7) for post_id in range(number, 0, -1)], Viewing())
    try:
        found = store.read(key=key, before=None, limit=number + 1)
    finally:
        store.drop(keys=[key])
    assert found is not None
    assert len(found.refs) == number
    assert found.is_end == (number < settings.TIMELINE_CAP)
