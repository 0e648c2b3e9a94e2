"""How many uploads a process works on at once, and what one too many is told."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from core.http.problems import Overloaded, TooManyRequests
from media import admission
from media.admission import Places
from tests.support.images import encoded, plain

Api = Callable[[int], Any]


def test_there_are_so_many_places_and_each_is_given_back() -> None:
    places = Places()
    for _ in range(3):
        with places.taken(user_id=1, limit=2), places.taken(user_id=2, limit=2):
            with pytest.raises(Overloaded) as refused, places.taken(user_id=3, limit=2):
                pass
            assert refused.value.wait > 0
    assert not places._of_user, "nothing is kept of users who upload nothing"


def test_a_place_is_given_back_after_an_error() -> None:
    places = Places()
    for _ in range(3):
        with pytest.raises(ValueError, match="x"), places.taken(user_id=1, limit=1):
            raise ValueError("x")


def test_nobody_has_all_places() -> None:
    places = Places()
    with places.taken(user_id=1, limit=3), places.taken(user_id=1, limit=3):
        with pytest.raises(TooManyRequests), places.taken(user_id=1, limit=3):
            pass
        with places.taken(user_id=2, limit=3):
            with pytest.raises(Overloaded), places.taken(user_id=2, limit=3):
                pass
            with pytest.raises(TooManyRequests), places.taken(user_id=1, limit=3):
                pass


def test_of_many_threads_no_more_than_the_limit_get_in() -> None:
    places, inside, most, lock = Places(), 0, 0, threading.Lock()

    def enter(user_id: int) -> bool:
        nonlocal inside, most
        try:
            with places.taken(user_id=user_id, limit=3):
                with lock:
                    inside += 1
                    most = max(most, inside)
                with lock:
                    inside -= 1
        except Overloaded:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(enter, range(2000)))
    assert any(outcomes)
    assert 1 <= most <= 3
    assert not places._of_user


@pytest.fixture
def people(alice: int, bob: int) -> tuple[int, int]:
    """The ids of two users."""
    return alice, bob


@pytest.mark.django_db
@pytest.mark.parametrize(("mine", "status"), [(False, 503), (True, 429)])
def test_one_upload_too_many_is_refused_before_its_body_is_parsed(
    people: tuple[int, int], api: Api, settings: Any, mine: bool, status: int
) -> None:
    alice, bob = people
    settings.MEDIA_UPLOADS_AT_ONCE = 1
    client = api(alice)

    def upload() -> Any:
        file = SimpleUploadedFile("a.jpg", encoded(plain()))
        return client.post("/api/v1/media", {"file": file}, format="multipart")

    with admission._places.taken(user_id=alice if mine else bob, limit=1):
        response = upload()
        assert (response.status_code, response.json()["status"]) == (status, status)
        assert response["Content-Type"] == "application/problem+json"
        assert response["Retry-After"] == "1"
        assert "again" in response.json()["detail"]
    assert upload().status_code == 201
