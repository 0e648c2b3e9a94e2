"""A POST with a key while another database is down."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections

from media.models import Media
from posts.models import Post
from tests.support.idempotent_requests import json_body, send


@pytest.mark.usefixtures("committed", "reconnect_after_test")
def test_a_post_needs_no_database_but_its_own_for_its_key(
    person: Callable[[str], int],
    api: Callable[[int], Any],
    upload: Callable[[int], Media],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    alice, key = person("alice"), str(uuid4())
    body = json_body(media=[str(upload(alice).pk)])
    comments = connections["comments"]
    comments.close()
    monkeypatch.setitem(comments.settings_dict, "PORT", "9")  # where nobody listens
    one, two = (send(api(alice), "/api/v1/posts", body, key) for _ in range(2))
    assert one.status_code == 201
    assert one.content == two.content
    assert two["Idempotent-Replayed"] == "true"
    assert Post.objects.filter(author_id=alice).count() == 1
    assert "comments is down" in caplog.text
