"""Idempotency keys expire."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from core.http.idempotency_keys import IdempotencyKey, prune
from core.tasks import prune_idempotency_keys
from tests.conftest import ALL_DATABASES
from tests.core.http.conftest import Ask, Requests
from tests.support.idempotent_requests import json_body

pytestmark = pytest.mark.django_db


def grow_older(caller_id: int, by: timedelta) -> None:
    for database in ALL_DATABASES:
        rows = IdempotencyKey.objects.using(database).filter(caller_id=caller_id)
        rows.update(created_at=F("created_at") - by)


def test_a_key_lives_for_24_hours(ask: Ask, alice: int, requests: Requests) -> None:
    path, body = requests["comment"]
    first = ask(path, body)
    grow_older(alice, timedelta(hours=23, minutes=59))
    assert ask(path, body).content == first.content
    grow_older(alice, timedelta(minutes=1))
    path, body = requests["comment"][0], json_body(text="Ugly.")
    second = ask(path, body)
    assert second.json()["text"] == "Ugly."
    assert not second.has_header("Idempotent-Replayed")
    again = ask(path, body)
    assert again.content == second.content
    assert again["Idempotent-Replayed"] == "true"
    assert IdempotencyKey.objects.using("comments").filter(caller_id=alice).count() == 1


def test_keys_that_have_lived_their_time_are_pruned_in_batches_from_each_database(
    alice: int, bob: int
) -> None:
    for database in ALL_DATABASES:
        IdempotencyKey.objects.using(database).bulk_create(
            IdempotencyKey(caller_id=alice, key=str(number), status=201, body=b"{}")
            for number in range(5)
        )
        IdempotencyKey.objects.using(database).create(
            caller_id=bob, key="1", status=201, body=b"{}", created_at=Now() - timedelta(hours=23)
        )
    grow_older(alice, timedelta(hours=24))
    left = IdempotencyKey.objects.using("posts").filter(caller_id=alice)
    assert prune(database="posts", limit=2) == 2
    assert left.count() == 3
    prune_idempotency_keys()
    for database in ALL_DATABASES:
        rows = IdempotencyKey.objects.using(database).filter(caller_id__in=[alice, bob])
        assert list(rows.values_list("caller_id", flat=True)) == [bob]
