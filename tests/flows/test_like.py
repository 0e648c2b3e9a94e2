"""Use case 5 over HTTP on the real stack: like a post. Everybody's next read shows it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.client import Person, wait_until
from tests.support.feeds import make_follow, pages
from tests.support.images import jpeg_with_gps

SECONDS_TO_TIMELINES = 5.0


def shown(reader: Person, author: Person) -> tuple[int, bool, list[str]]:
    """The likes of the author's only post, as a reader sees them. Checks that all lists agree."""
    post = reader.get("/timeline/home")["results"][0]
    assert reader.get(f"/users/{author.username}/timeline")["results"] == [post]
    assert reader.get("/posts", author=author.username)["results"] == [post]
    assert reader.get(f"/posts/{post['id']}") == post
    names = [user["username"] for user in post["recent_likes"]]
    return post["counts"]["likes"], post["viewer"]["liked"], names


def test_a_like_is_on_every_timeline_at_the_next_read_and_gone_as_soon_as_it_is_taken_back(
    signed_up: Callable[[str], Person],
) -> None:
    cleo, ada, bob, dora = (signed_up(name) for name in ("cleo", "ada", "bob", "dora"))
    for follower in (ada, bob, dora):
        follower.follow(cleo)
    post = cleo.post("Low tide.", jpeg_with_gps())
    readers = (cleo, ada, bob, dora)
    for reader in readers:
        wait_until(
            lambda reader=reader: reader.home_ids() == [post["id"]],  # type: ignore[misc]
            SECONDS_TO_TIMELINES,
        )
        assert shown(reader, cleo) == (0, False, [])

    for _ in range(2):
        ada.like(post)
        for reader in readers:
            assert shown(reader, cleo) == (1, reader is ada, [ada.username])
    bob.like(post)
    for reader in readers:
        liked = reader in (ada, bob)
        assert shown(reader, cleo) == (2, liked, [bob.username, ada.username])
    dora.follow(ada)
    assert shown(dora, cleo) == (2, False, [ada.username, bob.username]), "followed likers first"
    listed = dora.get(f"/posts/{post['id']}/likes")["results"]
    assert [user["username"] for user in listed] == [ada.username, bob.username]

    renamed = f"{ada.username}_x"
    assert ada.http.patch("/api/v1/users/me", json={"username": renamed}).status_code == 200
    assert shown(dora, cleo) == (2, False, [renamed, bob.username])
    for _ in range(2):
        ada.unlike(post)
        for reader in readers:
            assert shown(reader, cleo) == (1, reader is bob, [bob.username])
    bob.unlike(post)
    for reader in readers:
        assert shown(reader, cleo) == (0, False, [])
    assert dora.get(f"/posts/{post['id']}/likes")["results"] == []


@pytest.fixture
def fans(member: Callable[[str], Person]) -> list[Person]:
    return [member(f"fan{number}") for number in range(8)]


def test_likes_that_come_at_once_are_all_counted_and_each_once(
    signed_up: Callable[[str], Person], fans: list[Person]
) -> None:
    cleo = signed_up("cleo")
    post = cleo.post("Low tide.", jpeg_with_gps())

    def all_at_once(verb: Callable[[Person, Any], None]) -> int:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda fan: verb(fan, post), fans * 3))
        return int(cleo.get("/timeline/home")["results"][0]["counts"]["likes"])

    assert all_at_once(Person.like) == len(fans)
    names = {user["username"] for user in cleo.get(f"/posts/{post['id']}/likes")["results"]}
    assert names == {fan.username for fan in fans}
    assert all_at_once(Person.unlike) == 0


def test_the_likers_of_a_post_are_paged_with_followed_users_first(
    signed_up: Callable[[str], Person], fans: list[Person], member: Callable[[str], Person]
) -> None:
    cleo, reader = signed_up("cleo"), member("reader")
    post = cleo.post("Low tide.", jpeg_with_gps())
    for fan in fans:
        fan.like(post)
    followed = [fans[1], fans[4], fans[6]]
    make_follow([reader], [int(fan.id) for fan in followed])
    newest = fans[::-1]
    wanted = [fan for fan in newest if fan in followed]
    wanted += [fan for fan in newest if fan not in followed]
    address = f"/api/v1/posts/{post['id']}/likes"
    for limit in range(1, len(fans) + 2):
        found = [user for page in pages(reader, address, limit=limit) for user in page["results"]]
        assert [user["username"] for user in found] == [fan.username for fan in wanted]
        members = {"id", "username", "display_name", "avatar_url", "is_private", "viewer"}
        assert set(found[0]) == members
        assert [user["viewer"]["following"] for user in found] == [
            fan in followed for fan in wanted
        ]


def test_a_comment_is_liked_and_its_likers_are_listed(signed_up: Callable[[str], Person]) -> None:
    cleo, ada = signed_up("cleo"), signed_up("ada")
    post = cleo.post("Low tide.", jpeg_with_gps())
    comment = ada.comment(post, "Lovely.")
    address = f"/comments/{comment['id']}"
    for method, count in (("PUT", 1), ("DELETE", 0)):
        for _ in range(2):
            answer = cleo.http.request(method, f"/api/v1{address}/like")
            assert answer.status_code == 200
            for reader in (cleo, ada):
                liked = reader is cleo and count == 1
                wanted = comment | {
                    "counts": {"likes": count, "replies": 0},
                    "viewer": {"liked": liked, "may_approve": False},
                }
                assert reader.get(address) == wanted
                assert reader.get(f"/posts/{post['id']}/comments")["results"] == [wanted]
        likers = [user["username"] for user in ada.get(f"{address}/likes")["results"]]
        assert likers == [cleo.username] * count
