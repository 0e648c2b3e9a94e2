"""How soon the files of what is deleted are gone from the object store."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from statistics import median, quantiles
from time import monotonic, sleep

import httpx
from django.core.files.base import ContentFile

from media import services as media_services
from media.documents import media_document
from media.models import Media
from posts.services import publish_post
from tests.benchmarks.figures import Figure
from tests.benchmarks.population import add_accounts
from tests.benchmarks.requests import Bench
from tests.support.client import http_client
from tests.support.images import jpeg_with_gps
from users.services import delete_account, update_profile

POSTS, AVATARS, ACCOUNTS = 100, 100, 50
SECONDS_BETWEEN = 0.1
PATIENCE = 60.0
_crowds = count()
Removal = Callable[[], object]


def removals(bench: Bench) -> Iterator[Figure]:
    """From the answer to a deletion until nobody gets the picture, for posts, avatars, accounts."""
    with http_client(bench.layout.public_origin, timeout=30) as http:
        for name, of in (
            ("posts", _posts(bench, http)),
            ("avatars, replaced by none", _avatars(bench, http)),
            ("accounts", _accounts()),
        ):
            yield _figure(name, list(of))


def _posts(bench: Bench, http: httpx.Client) -> Iterator[tuple[Media, Removal]]:
    (author_id,) = add_accounts(f"leaver_{next(_crowds)}_", 1)
    for _ in range(POSTS):
        media = _stored(author_id)
        post_id = publish_post(author_id=author_id, caption="", media_ids=[media.pk])
        yield media, _request(bench, http, author_id, "DELETE", f"/api/v1/posts/{post_id}")


def _avatars(bench: Bench, http: httpx.Client) -> Iterator[tuple[Media, Removal]]:
    for user_id in add_accounts(f"leaver_{next(_crowds)}_", AVATARS):
        media = _stored(user_id)
        update_profile(user_id=user_id, changes={"avatar": media.pk})
        yield media, _request(bench, http, user_id, "PATCH", "/api/v1/users/me", avatar=None)


def _accounts() -> Iterator[tuple[Media, Removal]]:
    for user_id in add_accounts(f"leaver_{next(_crowds)}_", ACCOUNTS):
        yield _stored(user_id), _deletion(user_id)


def _deletion(user_id: int) -> Removal:
    # The API wants a password, and its hash takes the longest by far.
    return lambda: delete_account(user_id=user_id, requested_by="owner")


def _stored(owner_id: int) -> Media:
    file = ContentFile(jpeg_with_gps((640, 480)), "a.jpg")
    return media_services.store_image(owner_id=owner_id, file=file)


def _request(
    bench: Bench, http: httpx.Client, user_id: int, method: str, path: str, **body: None
) -> Removal:
    headers = {"Authorization": f"Bearer {bench.population.token(user_id)}"}

    def send() -> None:
        answer = http.request(method, path, headers=headers, json=body or None)
        assert answer.status_code in (200, 204), answer.text

    return send


def _figure(name: str, doomed: Sequence[tuple[Media, Removal]]) -> Figure:
    took = _seconds_until_gone(doomed)
    return Figure(
        f"from a deletion to its files gone, {name}, p99",
        quantiles(took, n=100)[98],
        "s",
        len(took),
        at_most=5,
        note=f"p50 {median(took):.2f} s",
    )


def _seconds_until_gone(doomed: Sequence[tuple[Media, Removal]]) -> list[float]:
    """Remove one after the other, and look for the largest picture of each meanwhile."""
    removed_at: dict[str, float] = {}
    took: list[float] = []
    waiting = list(doomed)
    began = monotonic()
    with httpx.Client() as store:
        while waiting or removed_at:
            assert monotonic() - began < len(doomed) * SECONDS_BETWEEN + PATIENCE
            if waiting and monotonic() - began >= (len(doomed) - len(waiting)) * SECONDS_BETWEEN:
                media, remove = waiting.pop(0)
                remove()
                removed_at[media_document(media)["url"]] = monotonic()
            for url, at in list(removed_at.items()):
                if store.head(url).status_code == 404:
                    took.append(monotonic() - at)
                    del removed_at[url]
            sleep(0.01)
    return took
