"""The API of comments."""

from collections.abc import Callable
from typing import Any

import pytest

from comments.models import TEXT_MAX_LENGTH, Comment
from comments.services import add_comment
from posts.services import edit_post, refresh_records

pytestmark = pytest.mark.django_db


@pytest.fixture
def comment(api: Callable[[int], Any], alice: int, post_id: int) -> Callable[..., Any]:
    """Let alice comment on bob's post; returns the answer."""
    client = api(alice)
    url = f"/api/v1/posts/{post_id}/comments"
    return lambda text, **rest: client.post(url, {"text": text, **rest}, format="json")


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "x" * TEXT_MAX_LENGTH,
        "\U0001f30a" * TEXT_MAX_LENGTH,
        "e\u0301" * (TEXT_MAX_LENGTH // 2),
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\U0001fae8",  # newer than this Python's tables
        "\u2764\ufe0f",
        "مدّ منخفض",
        "\u200fשפל",
        "低潮",
        "one\ntwo\ttabs",
        '"; DROP TABLE comments_comment; --\\',
    ],
)
def test_any_text_comes_back_as_it_was_sent(comment: Callable[..., Any], text: str) -> None:
    answer = comment(text)
    assert answer.status_code == 201, answer.content
    assert answer.json()["text"] == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t\u00a0\u3000",
        "\u200b",
        "\u200b \u200d\ufeff\u2060",
        "\ufe0f",
        "\u3164",
        "\u2800\u2800",
        "\u00ad",
        "\u202e\u202c",
        "\u202eשפל",
        "\x01",
        "\x01 and some ink",
        "\U000e0041",
        "x" * (TEXT_MAX_LENGTH + 1),
        "\U0001f30a" * (TEXT_MAX_LENGTH + 1),
        "a\0b",
        None,
        ["x"],
        {"x": 1},
        True,
    ],
)
def test_text_that_cannot_be_seen_or_is_too_long_is_refused(
    comment: Callable[..., Any], post_id: int, text: Any
) -> None:
    answer = comment(text)
    assert answer.status_code == 400
    assert {error["field"] for error in answer.json()["errors"]} == {"text"}
    assert not Comment.objects.filter(post_id=post_id).exists()


def test_a_lone_surrogate_is_refused(api: Callable[[int], Any], alice: int, post_id: int) -> None:
    body = '{"text": "low \\ud800 tide"}'
    url = f"/api/v1/posts/{post_id}/comments"
    answer = api(alice).post(url, body, content_type="application/json")
    assert answer.status_code == 400


def test_blanks_around_a_text_do_not_count(comment: Callable[..., Any]) -> None:
    answer = comment(" \n" + "x" * TEXT_MAX_LENGTH + "\u3000\n")
    assert answer.json()["text"] == "x" * TEXT_MAX_LENGTH


def test_a_reply_names_what_it_answers_by_its_id_as_text_or_number(
    comment: Callable[..., Any],
) -> None:
    first = comment("Lovely.", reply_to=None).json()
    assert first["reply_to"] is None
    for reply_to in (first["id"], int(first["id"])):
        assert comment("So it is.", reply_to=reply_to).json()["reply_to"] == first["id"]


def test_a_reply_to_a_reply_is_a_400_that_says_whom_to_answer(comment: Callable[..., Any]) -> None:
    first = comment("Lovely.").json()
    reply = comment("So it is.", reply_to=first["id"]).json()
    answer = comment("Really.", reply_to=reply["id"])
    assert answer.status_code == 400
    assert first["id"] in answer.json()["detail"]
    assert answer.json()["errors"][0]["field"] == "reply_to"


def test_a_closed_post_answers_409(comment: Callable[..., Any], bob: int, post_id: int) -> None:
    edit_post(post_id=post_id, author_id=bob, changes={"comments_closed": True})
    refresh_records(post_ids=[post_id])
    answer = comment("Late.")
    assert answer.status_code == 409
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/comments-closed"


def test_a_comment_is_read_edited_and_deleted_at_its_address(
    comment: Callable[..., Any], api: Callable[[int], Any], alice: int, bob: int
) -> None:
    made = comment("Lovley.").json()
    url = f"/api/v1/comments/{made['id']}"
    assert api(bob).get(url).json() == made
    assert api(bob).patch(url, {"text": "Mine."}, format="json").status_code == 404
    edited = api(alice).patch(url, {"text": " Lovely. "}, format="json")
    assert edited.status_code == 200
    assert edited.json()["text"] == "Lovely."
    assert edited.json()["edited_at"] > made["created_at"]
    assert api(alice).get(url).json() == edited.json()
    assert api(alice).delete(url).status_code == 204
    for answer in (api(alice).get(url), api(alice).delete(url), api(bob).put(f"{url}/like")):
        assert answer.status_code == 404


@pytest.mark.parametrize("order", [None, "oldest", "newest"])
def test_a_list_goes_on_in_the_order_that_it_began_in(
    api: Callable[[int], Any], alice: int, bob: int, post_id: int, order: str | None
) -> None:
    ids = sorted(add_comment(post_id=post_id, author_id=alice, text="So.") for _ in range(5))
    client, found = api(bob), []
    url = f"/api/v1/posts/{post_id}/comments?limit=2" + (f"&order={order}" if order else "")
    while url:
        page = client.get(url).json()
        found += [int(comment["id"]) for comment in page["results"]]
        url = page["next"]
    assert found == (ids[::-1] if order == "newest" else ids)


def test_replies_are_listed_by_what_they_answer(
    comment: Callable[..., Any], api: Callable[[int], Any], bob: int, post_id: int
) -> None:
    first = comment("Lovely.").json()
    replies = [comment("Yes.", reply_to=first["id"]).json() for _ in range(3)]
    url = f"/api/v1/posts/{post_id}/comments?reply_to={first['id']}&limit=2"
    page = api(bob).get(url).json()
    rest = api(bob).get(page["next"]).json()
    assert sorted([*page["results"], *rest["results"]], key=lambda one: int(one["id"])) == replies


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_replies_are_left_out_of_all_pages_and_counted(
    comment: Callable[..., Any], api: Callable[[int], Any], bob: int, post_id: int, order: str
) -> None:
    wanted = []
    for number in range(5):
        first = comment("Lovely.").json()
        for _ in range(number):
            comment("Yes.", reply_to=first["id"])
        wanted.append((first["id"], number))
    client, found = api(bob), []
    url = f"/api/v1/posts/{post_id}/comments?top_level=true&limit=2&order={order}"
    while url:
        page = client.get(url).json()
        found += [(one["id"], one["counts"]["replies"]) for one in page["results"]]
        url = page["next"]
    assert sorted(found) == sorted(wanted)
    ids = [int(id_) for id_, _ in found]
    assert ids == sorted(ids, reverse=order == "newest")
    everything = f"/api/v1/posts/{post_id}/comments?top_level=false&limit=100"
    assert len(client.get(everything).json()["results"]) == 5 + 10


def test_only_replies_and_no_replies_is_a_400_that_says_so(
    comment: Callable[..., Any], api: Callable[[int], Any], bob: int, post_id: int
) -> None:
    first = comment("Lovely.").json()
    url = f"/api/v1/posts/{post_id}/comments?reply_to={first['id']}"
    assert api(bob).get(f"{url}&top_level=false").status_code == 200
    answer = api(bob).get(f"{url}&top_level=true")
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["field"] == "top_level"
    assert "`reply_to`" in error["message"]


def test_likes_of_a_comment_are_put_listed_and_taken_back(
    comment: Callable[..., Any], api: Callable[[int], Any], alice: int, bob: int
) -> None:
    made = comment("Lovely.").json()
    url = f"/api/v1/comments/{made['id']}"
    reply = comment("Yes.", reply_to=made["id"]).json()
    for _ in range(2):
        answer = api(bob).put(f"{url}/like")
        assert answer.status_code == 200
        assert answer.json() == {"liked": True, "counts": {"likes": 1, "replies": 1}}
    assert api(bob).delete(f"/api/v1/comments/{reply['id']}").status_code == 204
    shown = api(bob).get(url).json()
    assert shown["counts"] == {"likes": 1, "replies": 0}
    assert shown["viewer"] == {"liked": True, "may_approve": False}
    likers = api(alice).get(f"{url}/likes").json()
    assert [user["id"] for user in likers["results"]] == [str(bob)]
    assert likers["next"] is None
    for _ in range(2):
        assert api(bob).delete(f"{url}/like").status_code == 200
    assert api(bob).get(url).json() == made
    assert api(alice).get(f"{url}/likes").json()["results"] == []
