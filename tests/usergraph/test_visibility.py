"""One place decides who may see whom: nothing is shown past it, and nothing can be."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from comments.events import CommentsChanged
from comments.selectors import UncheckedComment, visible_comment
from comments.services import add_comment
from core.http.problems import NotFound
from devstack.layout import PROJECT_DIR
from fanout.handlers import apply_follow, show_comments
from posts.selectors import UncheckedPost, unchecked_post, visible_post
from posts.services import like_post, refresh_records
from tests.support.api_documents import deactivate
from tests.support.posts_factory import make_posts
from usergraph.events import BlockChanged, FollowChanged
from usergraph.handlers import refresh_hidden
from usergraph.services import block_user, follow_user
from usergraph.visibility import VisiblePeople, viewpoint_of, visible_people
from users.models import User

APPS = ("users", "usergraph", "posts", "comments", "timeline", "fanout", "operations")


# --- One rule hides a person everywhere -----------------------------------------------------------


@pytest.fixture
def names(alice: int, bob: int, person: Callable[[str], int]) -> dict[str, Any]:
    """Carol, whom bob is friends with, and who has something to do with everything of his."""
    carol = person("carol")
    for follower_id, followee_id in [(carol, bob), (bob, carol), (alice, carol), (alice, bob)]:
        follow_user(follower_id=follower_id, followee_id=followee_id)
    (bobs,), (carols,) = make_posts(bob, 1), make_posts(carol, 1)
    for user_id in (carol, bob):
        like_post(post_id=bobs, user_id=user_id)
    hers = add_comment(post_id=bobs, author_id=carol, text="Mine.")
    add_comment(post_id=bobs, author_id=bob, text="His.")
    on_hers = add_comment(post_id=carols, author_id=bob, text="Yours.")
    list(show_comments(CommentsChanged(bobs), 0))
    refresh_records(post_ids=[bobs, carols])
    username = dict(User.objects.filter(pk__in=[bob, carol]).values_list("pk", "username"))
    return {
        "alice_id": alice,
        "bob_id": bob,
        "carol_id": carol,
        "carol": username[carol],
        "bob": username[bob],
        "bobs_post": bobs,
        "carols_post": carols,
        "her_comment": hers,
        "comment_on_hers": on_hers,
    }


@pytest.fixture(params=["blocks", "is blocked"])
def hide_carol(
    alice: int, names: dict[str, Any], request: pytest.FixtureRequest
) -> Callable[[], None]:
    """Hide carol from alice, and from nobody else."""

    def hide() -> None:
        pair = (
            (alice, names["carol_id"]) if request.param == "blocks" else (names["carol_id"], alice)
        )
        block_user(blocker_id=pair[0], blocked_id=pair[1])
        # What is done after the commit, which this test never makes.
        refresh_hidden(BlockChanged(*pair), 0)
        list(apply_follow(FollowChanged(alice, names["carol_id"]), 0))

    return hide


# Of another person, but showing carol among others; and what is carol's own.
SHOWING = [
    "users?search={carol}",
    "users/{bob}/followers",
    "users/{bob}/following",
    "users/{bob}/timeline",
    "posts?author={bob}",
    "posts/{bobs_post}",
    "posts/{bobs_post}/likes",
    "posts/{bobs_post}/comments",
    "timeline/home",
]
OWN = [
    "users/{carol}",
    "users/{carol}/followers",
    "users/{carol}/following",
    "users/{carol}/timeline",
    "posts?author={carol}",
    "posts/{carols_post}",
    "posts/{carols_post}/likes",
    "posts/{carols_post}/comments",
    "comments/{her_comment}",
    "comments/{her_comment}/likes",
    "comments/{comment_on_hers}",
    "comments/{comment_on_hers}/likes",
]


@pytest.mark.django_db
@pytest.mark.parametrize("path", SHOWING)
def test_a_hidden_person_is_left_out_of_every_answer(
    names: dict[str, Any],
    api: Callable[[int], Any],
    hide_carol: Callable[[], None],
    path: str,
) -> None:
    url, carol = f"/api/v1/{path.format(**names)}", names["carol"].encode()
    assert carol in api(names["alice_id"]).get(url).content
    hide_carol()
    answer = api(names["alice_id"]).get(url)
    assert answer.status_code == 200
    assert carol not in _without_links(answer.json())
    assert carol in api(names["bob_id"]).get(url).content, "only alice is blind"


def _without_links(page: dict[str, Any]) -> bytes:
    return orjson.dumps({key: page[key] for key in page if key not in ("next", "newer")})


@pytest.mark.django_db
@pytest.mark.parametrize("path", OWN)
def test_what_a_hidden_person_owns_is_not_found(
    names: dict[str, Any],
    api: Callable[[int], Any],
    hide_carol: Callable[[], None],
    path: str,
) -> None:
    url = f"/api/v1/{path.format(**names)}"
    assert api(names["alice_id"]).get(url).status_code == 200
    hide_carol()
    assert api(names["alice_id"]).get(url).status_code == 404
    assert api(names["bob_id"]).get(url).status_code == 200, "only alice is blind"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "request_line",
    [
        "put users/{carol}/follow",
        "put posts/{carols_post}/like",
        "delete posts/{carols_post}/like",
        "post posts/{carols_post}/comments",
        "put comments/{comment_on_hers}/like",
        "put comments/{her_comment}/like",
        "delete comments/{her_comment}/like",
    ],
)
def test_what_is_hidden_cannot_be_acted_on(
    names: dict[str, Any],
    api: Callable[[int], Any],
    hide_carol: Callable[[], None],
    request_line: str,
) -> None:
    hide_carol()
    method, path = request_line.format(**names).split()
    send = getattr(api(names["alice_id"]), method)
    answer = send(f"/api/v1/{path}", b'{"text": "So."}', content_type="application/json")
    assert answer.status_code == 404


# --- One thing, and many --------------------------------------------------------------------------


@pytest.mark.django_db
def test_people_are_found_in_one_round_trip_without_the_deactivated(
    alice: int,
    bob: int,
    person: Callable[[str], int],
    round_trips: Callable[[], int],
    django_assert_num_queries: Any,
) -> None:
    gone = person("gone")
    deactivate(gone)
    asked = [bob, gone, alice, 1]
    visible_people(viewer_id=alice, user_ids=asked)
    before = round_trips()
    with django_assert_num_queries(0):
        people = visible_people(viewer_id=alice, user_ids=asked, author_ids=asked)
    assert round_trips() - before == 1
    assert set(people.documents) == {alice, bob}
    assert set(people.authors) == {alice, bob}
    listed = [orjson.loads(people.documents[id_]) for id_ in asked if id_ in people.documents]
    assert [int(user["id"]) for user in listed] == [bob, alice]


@pytest.mark.django_db
def test_who_is_hidden_from_one_viewer_says_nothing_of_another(alice: int, bob: int) -> None:
    viewpoint = viewpoint_of(viewer_id=bob)
    with pytest.raises(ValueError, match="somebody else"):
        visible_people(viewer_id=alice, user_ids=[bob], viewpoint=viewpoint)


@pytest.mark.django_db
def test_an_unchecked_post_or_comment_becomes_visible_by_its_author_only(
    alice: int, bob: int
) -> None:
    post_id = make_posts(bob, 1)[0]
    unchecked, nobody = unchecked_post(post_id=post_id), VisiblePeople(alice, {}, (), ())
    with pytest.raises(NotFound):
        unchecked.visible_to(nobody)
    post = visible_post(post_id=post_id, viewer_id=alice)
    assert (post.post_id, post.viewer_id, post.author_id) == (post_id, alice, bob)
    assert (
        unchecked.visible_to(visible_people(viewer_id=alice, user_ids=[bob], author_ids=[bob]))
        == post
    )
    comment_id = add_comment(post_id=post_id, author_id=alice, text="So.")
    comment = visible_comment(comment_id=comment_id, viewer_id=bob)
    assert comment.comment_id == comment_id
    assert (comment.post_id, comment.author_id, comment.post_author_id) == (post_id, alice, bob)
    with pytest.raises(NotFound):
        UncheckedComment(comment_id, post_id, alice).visible_to(nobody, post)
    with pytest.raises(ValueError, match="one viewer"):
        UncheckedComment(comment_id, post_id, alice).visible_to(
            VisiblePeople(bob, {}, (), ()), post
        )
    with pytest.raises(ValueError, match="its own post"):
        UncheckedComment(comment_id, post_id + 1, alice).visible_to(nobody, post)


# --- By type --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [UncheckedPost, UncheckedComment])
def test_what_is_unchecked_has_no_content(kind: type[Any]) -> None:
    """So the type checker refuses to show it."""
    names = {name for name in [*dir(kind), *_set_on_self(kind)] if not name.startswith("_")}
    assert names <= {"author_id", "post_id", "comment_id", "held_for", "visible_to"}
    assert "visible_to" in names


def _set_on_self(kind: type[Any]) -> set[str]:
    """The names of attributes that a class gives its instances."""
    module = ast.parse(_source_of(kind))
    classes = [node for node in module.body if isinstance(node, ast.ClassDef)]
    (body,) = [node.body for node in classes if node.name == kind.__name__]
    return {
        node.attr
        for statement in body
        for node in ast.walk(statement)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    } | {
        statement.target.id
        for statement in body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }


def _source_of(kind: type[Any]) -> str:
    return (PROJECT_DIR / f"{kind.__module__.replace('.', '/')}.py").read_text()


def calls_of(name: str) -> Iterator[str]:
    """Where the source of the apps calls something of this name: `app/module.py:function`."""
    for app in APPS:
        for path in sorted((PROJECT_DIR / app).rglob("*.py")):
            yield from _calls_in(path, name)


def _calls_in(path: Path, name: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef):
            continue
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and _called(call) == name:
                yield f"{path.relative_to(PROJECT_DIR)}:{node.name}"


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


@pytest.mark.parametrize(
    ("name", "callers"),
    [
        ("VisiblePost", {"posts/selectors.py:visible_to"}),
        ("VisibleComment", {"comments/selectors.py:visible_to"}),
        (
            "VisiblePeople",
            {f"usergraph/visibility.py:{name}" for name in ("visible", "__or__")},
        ),
        ("user_documents", {"usergraph/visibility.py:blocked_page"}),
        ("add_user_documents", {"usergraph/visibility.py:visible_people"}),
        ("search_users", {"users/views.py:get"}),
        ("find_people", {"users/selectors.py:search_users"}),
        ("UncheckedPost", {"posts/selectors.py:unchecked_post"}),
        (
            "UncheckedComment",
            {f"comments/selectors.py:{name}" for name in ("unchecked_comment", "_visible")},
        ),
    ],
)
def test_nothing_else_makes_or_reads_what_is_visible(name: str, callers: set[str]) -> None:
    assert set(calls_of(name)) == callers


def test_only_staff_and_what_ends_or_makes_a_block_look_up_a_name_past_the_rule() -> None:
    callers = {at for at in calls_of("user_id_by_username") if not at.startswith("operations/")}
    assert callers == {"usergraph/visibility.py:visible_user_id"}
    assert set(calls_of("author_by_username")) == {"usergraph/visibility.py:visible_author_id"}
    assert set(calls_of("_found_id")) == {
        "users/selectors.py:user_id_or_zero",
        "users/selectors.py:author_by_username",
    }
    assert set(calls_of("user_id_or_zero")) == {
        "users/selectors.py:user_id_by_username",
        "usergraph/views.py:put",
        "usergraph/views.py:delete",
    }
