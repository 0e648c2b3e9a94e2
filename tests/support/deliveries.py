"""Simulates killed deliveries, and an object store that is down, for the tests of removals."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db.models.functions import Now
from django.test import override_settings

from core.outbox import delivery, rows
from core.outbox.delivery import deliver_event
from core.outbox.models import OutboxEvent
from devstack.layout import HOST
from media.storage import variant_key
from media.variants import VARIANTS


class KilledError(BaseException):
    """Simulates kill -9: no code catches it, and the lease is not released."""


def killed(*args: Any, **kwargs: Any) -> Any:
    raise KilledError


def pending_rows(database: str, kind: str) -> Any:
    return OutboxEvent.objects.using(database).filter(kind=kind, done_at=None)


def pending(database: str, kind: str, **payload: int) -> OutboxEvent:
    """The newest pending row of a kind with this payload."""
    wanted = {f"payload__{name}": value for name, value in payload.items()}
    event: OutboxEvent = pending_rows(database, kind).filter(**wanted).latest("pk")
    return event


def deliver_to_all(database: str, kind: str, **payload: int) -> None:
    """Deliver the pending rows of a kind with this payload, one per subscriber."""
    wanted = {f"payload__{name}": value for name, value in payload.items()}
    for event in pending_rows(database, kind).filter(**wanted).order_by("pk"):
        assert deliver(database, event)


def deliver(database: str, event: OutboxEvent) -> bool:
    return deliver_event(database=database, event_id=event.pk) is not None


def deliver_with_kill_after_each_step(
    database: str, event: OutboxEvent, monkeypatch: pytest.MonkeyPatch
) -> int:
    """Deliver an event, killed after each step, until it is done. Returns the number of kills."""
    leased = OutboxEvent.objects.using(database).filter(pk=event.pk)
    steps = 0
    while True:
        with monkeypatch.context() as patch:
            patch.setattr(delivery, "SECONDS_BETWEEN_SAVES", 0.0)
            patch.setattr(rows, "save_cursor", killed)
            try:
                assert deliver(database, event)
            except KilledError:
                steps += 1
                leased.update(lease_until=Now() - timedelta(seconds=1))
            else:
                return steps


def keys_of(media: Any) -> set[str]:
    """The keys of all objects of these media."""
    prefixes = media.values_list("storage_prefix", flat=True)
    return {variant_key(prefix, variant) for prefix in prefixes for variant in VARIANTS}


@contextmanager
def object_store_down() -> Iterator[None]:
    """Take the object store down: its address becomes a port with no listener."""
    default: Any = settings.STORAGES["default"]
    options = default["OPTIONS"] | {"endpoint_url": f"http://{HOST}:9"}
    closed = {**settings.STORAGES, "default": {**default, "OPTIONS": options}}
    with override_settings(STORAGES=closed):
        yield
