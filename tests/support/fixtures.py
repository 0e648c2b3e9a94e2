"""Fixtures of several packages: people with HTTP clients or posts, pictures in the object store."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile

from comments import services as comment_services
from core.http.limits.counting import Pause
from devstack.layout import HOST
from devstack.lifecycle import Stack
from media import incoming
from media.models import Media
from media.services import store_image
from tests.support.account_data import AccountData, like_and_comment, make_account_data
from tests.support.client import Person, reset_login_limits, sign_up
from tests.support.images import encoded, plain
from usergraph.services import import_follows


@pytest.fixture(autouse=True)
def fresh_login_limits(stack: Stack) -> None:
    """Reset the log-in limits before each test, because all tests share one address."""
    reset_login_limits()


@pytest.fixture
def signed_up(stack: Stack, unique: Callable[[str], str]) -> Iterator[Callable[[str], Person]]:
    """A function that signs a person up over HTTP. The connections are closed after the test."""
    people: list[Person] = []

    def make(name: str) -> Person:
        people.append(sign_up(stack.layout.public_origin, unique(name)))
        return people[-1]

    yield make
    for person in people:
        person.http.close()


@pytest.fixture
def upload(django_db_setup: None) -> Callable[..., Media]:
    """A function that stores a small picture for an owner. Needs `db` or `committed`."""

    def store(owner_id: int, content: bytes = encoded(plain()), alt: str = "") -> Media:
        file = SimpleUploadedFile("picture.jpg", content)
        return store_image(owner_id=owner_id, file=file, alt=alt)

    return store


@pytest.fixture
def stored_keys(django_db_setup: None) -> Callable[[], set[str]]:
    """A function that returns the keys of all public objects."""
    store: Any = storages["default"]
    return lambda: {item.key for item in store.bucket.objects.filter(Prefix="public/")}


@pytest.fixture
def closed_store(settings: Any) -> Iterator[None]:
    """Take the object store down: its address becomes a port with no listener."""
    down = {}
    for alias in ("default", "requests"):
        up = settings.STORAGES[alias]
        down[alias] = {**up, "OPTIONS": up["OPTIONS"] | {"endpoint_url": f"http://{HOST}:9"}}
    settings.STORAGES = settings.STORAGES | down
    yield
    incoming._pause = Pause()  # for the next test, it is up


@pytest.fixture
def follows(alice: int, bob: int) -> None:
    """Alice follows bob."""
    list(import_follows(edges=[(alice, bob)]))


@pytest.fixture
def bobs(alice: int, bob: int, upload: Callable[[int], Media]) -> AccountData:
    """Bob's posts with pictures, his avatar and more. Alice follows him, likes and comments. Bob
    answers, and each likes the other's comments.
    """
    own = make_account_data(bob, alice, upload)
    list(import_follows(edges=[(alice, bob)]))
    said = like_and_comment(alice, own)
    answers = like_and_comment(bob, AccountData(alice), answers=said)
    comment_services.like_comment(comment_id=answers[0], user_id=alice)
    own.comment_ids = [*said, *answers]
    return own
