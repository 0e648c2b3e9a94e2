"""Comments that are held back: of restricted people, and with hidden words."""

from collections.abc import Callable
from typing import Any

import pytest

from comments.audit import COMMENTS, SHOWN
from comments.held import held_page
from comments.models import Comment
from comments.rules import change_rules
from comments.services import (
    add_comment,
    approve_comment,
    delete_comment,
    edit_comment,
    like_comment,
    show_comments_of_account,
)
from core.http.problems import Conflict, Invalid, NotFound
from tests.support.accounts import name_of
from tests.support.api_documents import shown_comments, shown_post
from tests.support.posts_factory import make_posts
from usergraph.models import Restriction
from usergraph.own_lists import end_restriction, restrict_user
from usergraph.services import block_user, remove_relations_of_user
from users.services import set_active

pytestmark = pytest.mark.usefixtures("committed")
Api = Callable[[int], Any]
V = "/api/v1"
SEEN = {"edited_at": None}


@pytest.fixture
def author(committed: None, person: Callable[[str], int]) -> int:
    return person("author")


@pytest.fixture
def pest(committed: None, person: Callable[[str], int]) -> int:
    return person("pest")


@pytest.fixture
def third(committed: None, person: Callable[[str], int]) -> int:
    return person("third")


@pytest.fixture
def post_id(author: int) -> int:
    (post_id,) = make_posts(author, 1)
    return post_id


@pytest.fixture
def held_id(author: int, pest: int, post_id: int) -> int:
    """A comment of a restricted person."""
    restrict_user(owner_id=author, member_id=pest)
    return add_comment(post_id=post_id, author_id=pest, text="Buy this.")


def approve(*, comment_id: int, author_id: int) -> None:
    """Approve a comment with the text that it has now."""
    edited_at = Comment.objects.get(pk=comment_id).edited_at
    approve_comment(comment_id=comment_id, author_id=author_id, edited_at=edited_at)


def texts(post_id: int, viewer_id: int) -> list[str]:
    return [comment["text"] for comment in shown_comments(post_id, viewer_id)]


def count(post_id: int, viewer_id: int) -> int:
    """The number of comments, as their post says, which is that of the rows that are shown."""
    number, rows = COMMENTS.compared([post_id])[post_id]
    shown = shown_post(post_id, viewer_id)["counts"]["comments"]
    assert number == rows == shown
    return number


def waiting(author_id: int, post_id: int | None = None) -> list[int]:
    page, _ = held_page(author_id=author_id, post_id=post_id, after=None, limit=20)
    return [int(one["comment"]["id"]) for one in page]


def test_only_who_wrote_it_sees_it_until_it_is_approved(
    author: int, pest: int, third: int, post_id: int, held_id: int
) -> None:
    assert texts(post_id, pest) == ["Buy this."]
    for viewer_id in (author, third, 0):
        assert texts(post_id, viewer_id) == []
        assert shown_post(post_id, viewer_id)["recent_comments"] == []
        assert count(post_id, viewer_id) == 0
    assert waiting(author) == waiting(author, post_id) == [held_id]
    assert waiting(author, post_id + 1) == waiting(pest) == []
    for _ in range(2):
        approve(comment_id=held_id, author_id=author)
    assert waiting(author) == []
    for viewer_id in (author, pest, third, 0):
        assert texts(post_id, viewer_id) == ["Buy this."]
        assert count(post_id, viewer_id) == 1
        (recent,) = shown_post(post_id, viewer_id)["recent_comments"]
        assert recent["text"] == "Buy this."


def test_only_new_comments_are_held_and_only_on_posts_of_who_restricts(
    author: int, pest: int, third: int, post_id: int
) -> None:
    add_comment(post_id=post_id, author_id=pest, text="Before.")
    restrict_user(owner_id=author, member_id=pest)
    (elsewhere,) = make_posts(third, 1)
    add_comment(post_id=elsewhere, author_id=pest, text="Elsewhere.")
    assert texts(elsewhere, author) == ["Elsewhere."]
    add_comment(post_id=post_id, author_id=pest, text="Held.")
    assert texts(post_id, third) == ["Before."]
    end_restriction(owner_id=author, member_id=pest)
    add_comment(post_id=post_id, author_id=pest, text="After.")
    assert texts(post_id, third) == ["Before.", "After."]
    assert count(post_id, third) == 2


def test_whoever_is_held_back_is_not_told(
    author: int, pest: int, third: int, post_id: int, api: Api
) -> None:
    restrict_user(owner_id=author, member_id=pest)
    answers = []
    for user_id in (pest, third):
        answer = api(user_id).post(f"{V}/posts/{post_id}/comments", {"text": "So."}, "json")
        document = answer.json()
        replied = api(user_id).post(
            f"{V}/posts/{post_id}/comments", {"text": "Yes.", "reply_to": document["id"]}, "json"
        )
        liked = api(user_id).put(f"{V}/comments/{document['id']}/like")
        stays = api(user_id).get(f"{V}/comments/{document['id']}")
        shown = {key: document[key] for key in ("text", "reply_to", "counts", "viewer")}
        statuses = [one.status_code for one in (answer, replied, liked, stays)]
        answers.append((statuses, shown, [*answer.headers]))
        profile = api(user_id).get(f"{V}/users/{name_of(author)}").json()
        assert not profile["viewer"]["restricting"]
    assert answers[0] == answers[1]
    assert answers[0][0] == [201, 201, 200, 200]
    assert texts(post_id, pest) == ["So.", "Yes.", "So.", "Yes."]


def test_nobody_else_reaches_it(
    author: int, third: int, post_id: int, held_id: int, api: Api
) -> None:
    address = f"{V}/comments/{held_id}"
    for user_id, status in ((third, 404), (author, 200)):
        assert api(user_id).get(address).status_code == status
        assert api(user_id).get(f"{address}/likes").status_code == status
        assert api(user_id).put(f"{address}/like").status_code == status
    assert api(third).delete(address).status_code == 404
    assert api(third).post(f"{address}/approve", SEEN, "json").status_code == 404
    assert api(author).get(address).json()["viewer"]["may_approve"]
    with pytest.raises(Invalid, match="no such comment"):
        add_comment(post_id=post_id, author_id=third, text="And?", reply_to=held_id)
    with pytest.raises(Conflict, match="Approve it"):
        add_comment(post_id=post_id, author_id=author, text="And?", reply_to=held_id)
    assert Comment.objects.filter(post_id=post_id).count() == 1


def test_only_the_author_of_the_post_approves(
    author: int, pest: int, third: int, post_id: int, held_id: int
) -> None:
    for user_id in (pest, third):
        with pytest.raises(NotFound):
            approve(comment_id=held_id, author_id=user_id)
    assert texts(post_id, third) == []
    mine = add_comment(post_id=post_id, author_id=third, text="Mine.")
    with pytest.raises(NotFound):
        approve(comment_id=mine, author_id=third)


def test_a_reply_waits_for_what_it_answers(
    author: int, pest: int, third: int, post_id: int, held_id: int
) -> None:
    end_restriction(owner_id=author, member_id=pest)
    reply_id = add_comment(post_id=post_id, author_id=pest, text="And this.", reply_to=held_id)
    assert waiting(author) == [reply_id, held_id]
    with pytest.raises(Conflict, match=f"comment {held_id}"):
        approve(comment_id=reply_id, author_id=author)
    for comment_id in (held_id, reply_id):
        approve(comment_id=comment_id, author_id=author)
    assert texts(post_id, third) == ["Buy this.", "And this."]
    assert [one["counts"]["replies"] for one in shown_comments(post_id, third)] == [1, 0]
    assert count(post_id, third) == 2


def test_who_approves_reads_it_at_once_also_with_a_key(
    author: int, pest: int, post_id: int, held_id: int, api: Api
) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": f"approve-{held_id}"}
    for _ in range(2):
        approved = api(author).post(f"{V}/comments/{held_id}/approve", SEEN, "json", **key)
        assert approved.status_code == 200
        assert not approved.json()["viewer"]["may_approve"]
        shown = api(author).get(f"{V}/posts/{post_id}").json()
        assert shown["counts"]["comments"] == len(shown["recent_comments"]) == 1
    assert count(post_id, author) == 1


def test_a_text_that_was_changed_meanwhile_is_not_approved(
    author: int, pest: int, post_id: int, held_id: int, api: Api
) -> None:
    edit_comment(comment_id=held_id, author_id=pest, text="Something worse.")
    refused = api(author).post(f"{V}/comments/{held_id}/approve", SEEN, "json")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/changed-comment")
    assert texts(post_id, author) == []
    (waits,) = api(author).get(f"{V}/held-comments").json()["results"]
    seen = {"edited_at": waits["comment"]["edited_at"]}
    assert api(author).post(f"{V}/comments/{held_id}/approve", seen, "json").status_code == 200
    assert texts(post_id, author) == ["Something worse."]


def test_to_delete_it_refuses_it(
    author: int, pest: int, post_id: int, held_id: int, api: Api
) -> None:
    assert api(author).delete(f"{V}/comments/{held_id}").status_code == 204
    assert texts(post_id, pest) == []
    assert count(post_id, pest) == 0
    again = add_comment(post_id=post_id, author_id=pest, text="Again.")
    delete_comment(comment_id=again, user_id=pest)
    assert waiting(author) == []
    assert count(post_id, pest) == 0


def test_hidden_words_hold_back_what_others_say(
    author: int, pest: int, third: int, post_id: int
) -> None:
    change_rules(author_id=author, changes={"hidden_words": ["spoiler"]})
    add_comment(post_id=post_id, author_id=pest, text="A SPOILER: he dies.")
    add_comment(post_id=post_id, author_id=author, text="No spoiler, please.")
    assert texts(post_id, third) == ["No spoiler, please."]
    assert texts(post_id, pest) == ["A SPOILER: he dies.", "No spoiler, please."]
    assert count(post_id, third) == 1


@pytest.mark.parametrize("because", ["restricted", "word"])
def test_a_changed_text_is_held_back_too(
    author: int, pest: int, third: int, post_id: int, because: str
) -> None:
    comment_id = add_comment(post_id=post_id, author_id=pest, text="Lovely.")
    if because == "restricted":
        restrict_user(owner_id=author, member_id=pest)
    else:
        change_rules(author_id=author, changes={"hidden_words": ["pills"]})
    edit_comment(comment_id=comment_id, author_id=pest, text="Lovely.")
    assert texts(post_id, third) == ["Lovely."], "it is no other text"
    edit_comment(comment_id=comment_id, author_id=pest, text="Buy pills.")
    assert texts(post_id, third) == []
    assert shown_post(post_id, third)["recent_comments"] == []
    assert count(post_id, third) == 0
    edit_comment(comment_id=comment_id, author_id=pest, text="Sorry.")
    assert waiting(author) == [comment_id], "it stays held back"
    approve(comment_id=comment_id, author_id=author)
    assert texts(post_id, third) == ["Sorry."]
    assert count(post_id, third) == 1


def test_it_stays_held_back_when_its_account_goes_and_comes_back(
    author: int, pest: int, third: int, post_id: int, held_id: int
) -> None:
    for active in (False, True):
        set_active(user_ids=[pest], active=active)
        show_comments_of_account(user_id=pest, after=0, limit=100)
        assert not Comment.objects.get(pk=held_id).is_shown
        assert waiting(author) == ([held_id] if active else [])
        for audit in SHOWN:
            assert audit.wrong(is_active={pest: active}) == set()
    assert texts(post_id, third) == []
    set_active(user_ids=[pest], active=False)
    with pytest.raises(NotFound):
        approve(comment_id=held_id, author_id=author)
    assert count(post_id, third) == 0


def test_one_whom_a_block_hides_does_not_wait(
    author: int, pest: int, post_id: int, held_id: int
) -> None:
    block_user(blocker_id=author, blocked_id=pest)
    assert waiting(author) == []
    with pytest.raises(NotFound):
        approve(comment_id=held_id, author_id=author)


def test_what_waits_is_paged_the_newest_first(
    author: int, pest: int, post_id: int, held_id: int, api: Api
) -> None:
    ids = [add_comment(post_id=post_id, author_id=pest, text=f"No. {n}") for n in range(4)]
    found, address = [], f"{V}/held-comments?limit=2"
    while address:
        page = api(author).get(address).json()
        found += page["results"]
        address = page["next"]
    assert [int(one["comment"]["id"]) for one in found] == [*ids[::-1], held_id]
    assert {one["post_id"] for one in found} == {str(post_id)}
    assert api(author).get(f"{V}/held-comments?post={post_id + 1}").json()["results"] == []
    approved = api(author).post(f"{V}/comments/{held_id}/approve", SEEN, "json")
    assert approved.status_code == 200
    assert approved.json()["viewer"] == {"liked": False, "may_approve": False}


def test_whom_one_restricts_is_ones_own_affair(author: int, pest: int, api: Api) -> None:
    name = name_of(pest)
    for is_so in (True, True):
        answer = api(author).put(f"{V}/users/{name}/restriction")
        assert answer.json() == {"restricting": is_so}
    (row,) = api(author).get(f"{V}/users/me/restricted").json()["results"]
    assert (row["user"]["username"], row["user"]["viewer"]["restricting"]) == (name, True)
    assert api(author).get(f"{V}/users/{name}").json()["viewer"]["restricting"]
    assert api(pest).get(f"{V}/users/me/restricted").json()["results"] == []
    for _ in range(2):
        ended = api(author).delete(f"{V}/users/{name}/restriction")
        assert ended.json() == {"restricting": False}
    assert api(author).get(f"{V}/users/me/restricted").json()["results"] == []
    restrict_user(owner_id=author, member_id=pest)
    assert remove_relations_of_user(user_id=pest, limit=5) == 1
    assert not Restriction.objects.filter(owner_id=author).exists()


def test_likes_of_what_is_held_back_are_counted_when_it_is_shown(
    author: int, pest: int, third: int, post_id: int, held_id: int
) -> None:
    assert like_comment(comment_id=held_id, user_id=author)
    assert like_comment(comment_id=held_id, user_id=pest)
    approve(comment_id=held_id, author_id=author)
    (shown,) = shown_comments(post_id, third)
    assert shown["counts"] == {"likes": 2, "replies": 0}
