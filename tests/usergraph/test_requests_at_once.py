"""Requests to follow that meet a change of privacy, or a block, in another transaction."""

from collections.abc import Callable

import pytest

from core.http.problems import NotFound
from tests.support.client import wait_until
from tests.support.transactions import at_once
from usergraph.follows import accept_request
from usergraph.models import Follow, FollowRequest
from usergraph.services import block_user, follow_user, unfollow_user
from users.services import update_profile

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def alice(committed: None, person: Callable[[str], int]) -> int:
    return person("alice")


@pytest.fixture
def bob(committed: None, person: Callable[[str], int]) -> int:
    """A private account."""
    bob = person("bob")
    update_profile(user_id=bob, changes={"is_private": True})
    return bob


def edges(alice: int, bob: int) -> tuple[bool, bool]:
    """Whether alice follows bob, and whether she asks to."""
    edge = {"follower_id": alice, "followee_id": bob}
    return Follow.objects.filter(**edge).exists(), FollowRequest.objects.filter(**edge).exists()


@pytest.mark.parametrize("first", ["publish", "follow"])
def test_no_request_is_left_with_an_account_that_becomes_public_meanwhile(
    alice: int, bob: int, first: str
) -> None:
    """The second waits for the first: the account is not public with a request that nobody sees."""
    acts: list[Callable[[], object]] = [
        lambda: update_profile(user_id=bob, changes={"is_private": False}),
        lambda: follow_user(follower_id=alice, followee_id=bob),
    ]
    at_once(lock="transactionid", acts=acts if first == "publish" else acts[::-1])
    wait_until(lambda: edges(alice, bob) == (True, False))


@pytest.mark.parametrize("first", ["close", "follow"])
def test_nobody_follows_unasked_an_account_that_becomes_private_meanwhile(
    alice: int, bob: int, first: str
) -> None:
    """Who comes second sees what the first has done: a later follow is a request."""
    update_profile(user_id=bob, changes={"is_private": False})
    acts: list[Callable[[], object]] = [
        lambda: update_profile(user_id=bob, changes={"is_private": True}),
        lambda: follow_user(follower_id=alice, followee_id=bob),
    ]
    at_once(lock="transactionid", acts=acts if first == "close" else acts[::-1])
    assert edges(alice, bob) == ((False, True) if first == "close" else (True, False))


@pytest.mark.parametrize("first", ["withdraw", "accept"])
def test_who_withdraws_a_request_at_the_last_moment_does_not_follow(
    alice: int, bob: int, first: str
) -> None:
    follow_user(follower_id=alice, followee_id=bob)

    def accept() -> None:
        try:
            accept_request(followee_id=bob, follower_id=alice)
        except NotFound:
            assert first == "withdraw"

    acts = [lambda: unfollow_user(follower_id=alice, followee_id=bob), accept]
    at_once(lock="advisory", acts=acts if first == "withdraw" else acts[::-1])
    assert edges(alice, bob) == (False, False)


@pytest.mark.parametrize("first", ["ask", "accept"])
def test_who_asks_again_while_being_let_in_follows_and_asks_no_more(
    alice: int, bob: int, first: str
) -> None:
    follow_user(follower_id=alice, followee_id=bob)
    acts: list[Callable[[], object]] = [
        lambda: follow_user(follower_id=alice, followee_id=bob),
        lambda: accept_request(followee_id=bob, follower_id=alice),
    ]
    at_once(lock="advisory", acts=acts if first == "ask" else acts[::-1])
    assert edges(alice, bob) == (True, False)


@pytest.mark.parametrize("first", ["block", "accept"])
def test_an_acceptance_and_a_block_at_once_leave_no_follow(
    alice: int, bob: int, first: str
) -> None:
    follow_user(follower_id=alice, followee_id=bob)

    def accept() -> None:
        try:
            accept_request(followee_id=bob, follower_id=alice)
        except NotFound:
            assert first == "block"

    acts: list[Callable[[], object]] = [
        lambda: block_user(blocker_id=bob, blocked_id=alice),
        accept,
    ]
    at_once(lock="advisory", acts=acts if first == "block" else acts[::-1])
    assert edges(alice, bob) == (False, False)
