"""Who may comment on an account's posts, and which words hold a comment back."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comments.models import Comment, CommentRules
from comments.rules import Rules, change_rules, rules_of
from comments.services import add_comment, forget_rules
from core.http.problems import Conflict, Forbidden
from posts.services import edit_post
from tests.support.posts_factory import make_posts
from usergraph.services import follow_user

pytestmark = pytest.mark.usefixtures("committed")
Api = Callable[[int], Any]
V = "/api/v1"
LETS_IN = {
    "everyone": {"fan", "idol", "stranger", "author"},
    "following": {"idol", "author"},
    "followers": {"fan", "author"},
    "nobody": {"author"},
}


@pytest.fixture
def people(committed: None, person: Callable[[str], int]) -> dict[str, int]:
    """The author of a post, one who follows the author, one whom the author follows, and one who
    does not know the author.
    """
    names = ("author", "fan", "idol", "stranger")
    people = {name: person(name) for name in names}
    follow_user(follower_id=people["fan"], followee_id=people["author"])
    follow_user(follower_id=people["author"], followee_id=people["idol"])
    return people


@pytest.fixture
def post_id(people: dict[str, int]) -> int:
    (post_id,) = make_posts(people["author"], 1)
    return post_id


def commenters(people: dict[str, int], post_id: int, api: Api) -> set[str]:
    """Who may comment; each way says the same."""
    found = set()
    for name, user_id in people.items():
        may_comment = api(user_id).get(f"{V}/posts/{post_id}/commenting").json()["may_comment"]
        before = Comment.objects.filter(post_id=post_id).count()
        answer = api(user_id).post(f"{V}/posts/{post_id}/comments", {"text": "Hello."}, "json")
        after = Comment.objects.filter(post_id=post_id).count()
        assert (answer.status_code == 201, after - before) == (may_comment, int(may_comment))
        if may_comment:
            found.add(name)
        else:
            assert answer.status_code == 403
            assert answer.json()["type"] == "/problems/comments-limited"
    return found


@pytest.mark.parametrize("comments_from", LETS_IN)
def test_an_account_says_who_may_comment(
    people: dict[str, int], post_id: int, api: Api, comments_from: str
) -> None:
    author = api(people["author"])
    assert author.get(f"{V}/users/me/commenting").json() == {
        "comments_from": "everyone",
        "hidden_words": [],
    }
    changed = author.patch(f"{V}/users/me/commenting", {"comments_from": comments_from}, "json")
    assert changed.json() == {"comments_from": comments_from, "hidden_words": []}
    assert author.get(f"{V}/users/me/commenting").json() == changed.json()
    assert commenters(people, post_id, api) == LETS_IN[comments_from]
    shown = author.get(f"{V}/posts/{post_id}/commenting").json()
    assert shown == {"may_comment": True, "comments_from": comments_from}
    assert author.get(f"{V}/posts/{post_id}").json()["comments_from"] == "account"


@pytest.mark.parametrize("comments_from", LETS_IN)
def test_a_post_may_say_otherwise(
    people: dict[str, int], post_id: int, api: Api, comments_from: str
) -> None:
    change_rules(author_id=people["author"], changes={"comments_from": "nobody"})
    author, address = api(people["author"]), f"{V}/posts/{post_id}"
    changed = author.patch(address, {"comments_from": comments_from}, "json").json()
    assert (changed["comments_from"], changed["edited_at"]) == (comments_from, None)
    assert commenters(people, post_id, api) == LETS_IN[comments_from]
    author.patch(address, {"comments_from": "account"}, "json")
    assert commenters(people, post_id, api) == LETS_IN["nobody"]


def test_nobody_at_all_comments_on_a_closed_post(
    people: dict[str, int], post_id: int, api: Api
) -> None:
    edit_post(post_id=post_id, author_id=people["author"], changes={"comments_closed": True})
    shown = api(people["author"]).get(f"{V}/posts/{post_id}/commenting").json()
    assert shown == {"may_comment": False, "comments_from": "nobody"}
    with pytest.raises(Conflict):
        add_comment(post_id=post_id, author_id=people["author"], text="Hello.")


def test_what_was_said_stays_and_can_be_changed(people: dict[str, int], post_id: int) -> None:
    comment_id = add_comment(post_id=post_id, author_id=people["stranger"], text="Lovely.")
    change_rules(author_id=people["author"], changes={"comments_from": "nobody"})
    assert Comment.objects.get(pk=comment_id).is_shown
    with pytest.raises(Forbidden):
        add_comment(
            post_id=post_id, author_id=people["stranger"], text="And I.", reply_to=comment_id
        )
    assert Comment.objects.filter(post_id=post_id).count() == 1


def test_rules_of_one_account_are_not_anothers(people: dict[str, int], api: Api) -> None:
    words = {"hidden_words": ["spoiler", "  free  followers ", "spoiler"]}
    changed = api(people["fan"]).patch(f"{V}/users/me/commenting", words, "json").json()
    assert changed["hidden_words"] == ["spoiler", "free  followers"]
    assert rules_of(author_id=people["author"]) == Rules()
    forget_rules(author_id=people["fan"])
    assert rules_of(author_id=people["fan"]) == Rules()
    assert not CommentRules.objects.filter(author_id=people["fan"]).exists()


@pytest.mark.parametrize(
    ("text", "word", "is_hidden"),
    [
        ("What a spoiler!", "spoiler", True),
        ("SPOILER", "spoiler", True),
        ("spoilers", "spoiler", False),
        ("a class act", "ass", False),
        ("you ass.", "Ass", True),
        ("get free\n\u00a0FOLLOWERS now", "free followers", True),
        ("free of followers", "free followers", False),
        ("Stra\u00dfe", "STRASSE", True),
        ("\uff53\uff50\uff4f\uff49\uff4c\uff45\uff52", "spoiler", True),
        ("spo\u200biler", "spoiler", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("caf\u00e9", "cafe", False),
        ("\U0001f595\U0001f3fd you", "\U0001f595", True),
        ("\u6211\u8981\u5267\u900f\u4e86", "\u5267\u900f", True),
        ("a+b", "a+", True),
        ("a.b", "a+", False),
        ("[x", "[x", True),
        ("word_spoiler", "spoiler", False),
        ("#spoiler", "spoiler", True),
        ("sp\u034foi\ufe0fl\u3164er", "spoiler", True),
        ("caf\u200d\u00e9 cafe\u200d\u0301", "caf\u00e9", True),
        ("\u0915\u092e\u0940", "\u0915\u092e", False),
        ("\u0915\u092e \u0939\u0948", "\u0915\u092e", True),
        ("class ass", "ass", True),
        ("anything", "\u200b", False),
    ],
)
def test_a_word_is_found_as_a_whole_in_any_form(text: str, word: str, is_hidden: bool) -> None:
    assert Rules(hidden_words=["something else", word]).hide(text) == is_hidden


@given(
    words=st.lists(st.text(min_size=1, max_size=8).filter(str.strip), max_size=4),
    before=st.text(max_size=5),
    after=st.text(max_size=5),
    number=st.integers(0, 3),
)
def test_a_word_between_blanks_is_found_and_nothing_fails(
    words: list[str], before: str, after: str, number: int
) -> None:
    rules = Rules(hidden_words=words)
    if number < len(words) and _is_seen(words[number]):
        assert rules.hide(f"{before} {words[number]} {after}")
    rules.hide(before + after)


def _is_seen(word: str) -> bool:
    """Whether anything of a word is left of what is compared."""
    return Rules(hidden_words=[word]).hide(word)


def test_no_words_hide_nothing() -> None:
    assert not Rules().hide("Anything.")
