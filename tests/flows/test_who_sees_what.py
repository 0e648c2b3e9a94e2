"""Nobody sees what they may not: every viewer, every owner, every operation of the schema.

An owner has something to do with everything of a neutral person's. Each viewer reads all that shows
it, so that all caches are warm, and reads again once the owner is hidden. OPERATIONS says of each
operation what it shows; one that is not there fails.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import httpx
import orjson
import pytest

from tests.flows.bad_requests import ABSENT
from tests.flows.operations import (
    ACT,
    ALSO_HELD,
    ALSO_OF_THE_POST,
    ALSO_SHOWING,
    BODIES,
    CHANGE,
    FOR_ANYBODY,
    HELD,
    MINE,
    ONLY_MAKER,
    OPERATIONS,
    OWN,
    PERSON,
    POST,
    SHOWING,
    UNDOING,
)
from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps
from users.models import AccountDeletion, User
from users.services import delete_account, set_active

VIEWERS = (
    *("nobody", "stranger", "follower", "pending", "removed", "restricted", "muted"),
    *("blocked", "blocker", "muter", "friend", "staff", "suspended"),
)
# That of "friends" is public, and has a post for close friends.
OWNERS = ("public", "private", "friends", "suspended", "deleted")
VISIBLE = ("public", "private", "friends")
HIDDEN = ("blocked", "blocker")
# Those whom a private owner has let in.
LET_IN = ("follower", "muter", "muted", "friend", "restricted")
HELD_TEXT = b"Nobody else wants to read this."


@dataclass
class World:
    """The people of one owner, and the ids of what is theirs."""

    owner: Person
    viewers: dict[str, Person]
    names: dict[str, str]
    marks: list[bytes]  # what an answer has in it if it shows the owner
    caption: bytes
    etags: dict[tuple[str, str], str] = field(default_factory=dict)

    def ask(self, viewer: str, method: str, path: str, **options: Any) -> httpx.Response:
        return self.viewers[viewer].http.request(
            method, f"/api/v1{path.format(**self.names)}", **options
        )

    def shows(self, answer: httpx.Response) -> bool:
        """Whether a page has the owner in it, but for the addresses of other pages."""
        document = answer.json()
        kept = {key: value for key, value in document.items() if key not in ("next", "newer")}
        return any(mark in orjson.dumps(kept) for mark in self.marks)


@pytest.fixture
def world(request: pytest.FixtureRequest, make_world: Callable[[bool], World]) -> World:
    """The world while nobody is hidden, and all have read everything."""
    params = getattr(request.node, "callspec", None)
    return make_world(params is not None and params.params.get("owner") == "friends")


@pytest.fixture
def make_world(
    member: Callable[[str], Person], signed_up: Callable[[str], Person], http: httpx.Client
) -> Callable[[bool], World]:
    """A function that makes a world, in which the owner's post is for everyone, or for close
    friends, whom all viewers belong to.
    """

    def make(for_friends: bool) -> World:
        return _world(member, signed_up, http, for_friends=for_friends)

    return make


def _world(
    member: Callable[[str], Person],
    signed_up: Callable[[str], Person],
    http: httpx.Client,
    *,
    for_friends: bool,
) -> World:
    owner, neutral = member("owner"), member("neutral")
    viewers = {name: member(name) for name in VIEWERS if name not in ("nobody", "suspended")}
    viewers["suspended"] = signed_up("suspended")  # whose session is known, and so can be ended
    viewers["nobody"] = Person("", "", http)
    owner.http.patch("/api/v1/users/me", json={"display_name": f"Known as {owner.id}"})
    body = {
        "caption": f"By the owner, {owner.id}.",
        "media": [owner.upload(jpeg_with_gps())["id"]],
        "audience": "close_friends" if for_friends else "everyone",
    }
    post = owner.http.post("/api/v1/posts", json=body).json()
    theirs = neutral.post("By the neutral person.", jpeg_with_gps())
    for one, other in ((owner, neutral), (neutral, owner)):
        one.follow(other)
    for friend in (neutral, *viewers.values()) if for_friends else ():
        if friend.username:
            befriended = owner.http.put(f"/api/v1/users/{friend.username}/close-friend")
            assert befriended.is_success
    for name, viewer in viewers.items():
        if name != "nobody":
            viewer.follow(neutral)
        if name in (*LET_IN, "removed", *HIDDEN):
            viewer.follow(owner)
    owner.like(theirs)
    neutral.like(post)
    restricted = viewers["restricted"]
    path = f"/api/v1/users/{restricted.username}/restriction"
    assert owner.http.put(path).json() == {"restricting": True}
    held = restricted.comment(post, HELD_TEXT.decode())
    comment = owner.comment(theirs, f"Said by the owner, {owner.id}.")
    neutrals = neutral.comment(theirs, "Said by the neutral person.")
    on_theirs = neutral.comment(post, "Said on the owner's.")
    owner.http.put(f"/api/v1/comments/{neutrals['id']}/like")
    made = World(
        owner,
        viewers,
        {
            "owner": owner.username,
            "owner_id": owner.id,
            "neutral": neutral.username,
            "post": post["id"],
            "theirs": theirs["id"],
            "comment": comment["id"],
            "neutrals": neutrals["id"],
            "on_theirs": on_theirs["id"],
            "held": held["id"],
            "media": post["media"][0]["id"],
        },
        [owner.username.encode(), owner.id.encode()],
        caption=f"By the owner, {owner.id}.".encode(),
    )
    warm(made)
    return made


READS = [
    (label, row.kind, path)
    for label, row in OPERATIONS.items()
    if label.startswith("GET") and row.kind in (PERSON, OWN, POST, SHOWING)
    for path in row.paths
]
READS += [(label, SHOWING, path) for path, label in ALSO_SHOWING.items()]
READS += [(label, POST, path) for path, label in ALSO_OF_THE_POST.items()]
READS += [(label, HELD, path) for path, label in ALSO_HELD.items()]


def warm(world: World) -> None:
    """Let all viewers read everything, twice: with its ETag, which stores the page's replay."""
    for viewer, (_, _, path), _ in product(VIEWERS, READS, range(2)):
        etag = world.etags.get((viewer, path), "")
        answer = world.ask(viewer, "GET", path, headers={"If-None-Match": etag})
        if etag := answer.headers.get("ETag", ""):
            world.etags[viewer, path] = etag


def hide(world: World, owner: str) -> None:
    """Make the owner and the viewers what they are called."""
    owner_id = int(world.owner.id)
    blocked = world.viewers["blocked"].username
    assert world.owner.http.put(f"/api/v1/users/{blocked}/block").is_success
    assert world.ask("blocker", "PUT", "/users/{owner}/block").is_success
    assert world.ask("muter", "PUT", "/users/{owner}/mute", json={"until": None}).is_success
    path = f"/api/v1/users/{world.viewers['muted'].username}/mute"
    assert world.owner.http.put(path, json={"until": None}).is_success
    User.objects.filter(pk=int(world.viewers["staff"].id)).update(is_staff=True)
    set_active(user_ids=[int(world.viewers["suspended"].id)], active=False)
    removed = world.viewers["removed"].username
    assert world.owner.http.delete(f"/api/v1/users/{removed}/follower").is_success
    if owner == "private":
        closed = world.owner.http.patch("/api/v1/users/me", json={"is_private": True})
        assert closed.is_success
        asked = world.ask("pending", "PUT", "/users/{owner}/follow").json()
        assert (asked["following"], asked["requested"]) == (False, True)
    elif owner == "friends":
        for name, viewer in world.viewers.items():
            if name not in ("friend", "nobody", *HIDDEN):  # a block has ended that
                path = f"/api/v1/users/{viewer.username}/close-friend"
                assert world.owner.http.delete(path).is_success or name == "suspended"
    elif owner == "suspended":
        set_active(user_ids=[owner_id], active=False)
    elif owner == "deleted":
        delete_account(user_id=owner_id, requested_by=AccountDeletion.RequestedBy.SELF)


def may_see(viewer: str, owner: str, kind: str = PERSON) -> bool:
    """Whether a viewer may see the owner, or what they own, by the kind of an operation."""
    if owner not in VISIBLE or viewer in HIDDEN:
        return False
    if kind == HELD and viewer != "restricted":
        return False
    if owner == "private" and kind in (OWN, POST, HELD, CHANGE):
        return viewer in LET_IN
    return owner != "friends" or kind not in (POST, HELD, CHANGE) or viewer == "friend"


def expected_status(label: str, kind: str, viewer: str, owner: str) -> int:
    """The status of a read."""
    if viewer == "suspended" or (viewer == "nobody" and label not in FOR_ANYBODY):
        return 401
    return 200 if kind == SHOWING or may_see(viewer, owner, kind) else 404


def test_every_operation_of_the_schema_is_in_the_matrix(http: httpx.Client) -> None:
    schema = http.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()
    labels = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, operations in schema["paths"].items()
        if path.startswith("/api/v1/")
        for method in operations
        if method in ("get", "post", "put", "patch", "delete")
    }
    assert labels == OPERATIONS.keys()
    # The others are about the caller's own account alone.
    assert all(path.startswith(("/api/v1/", "/_allauth/app/v1/")) for path in schema["paths"])


@pytest.mark.parametrize("owner", OWNERS)
def test_nobody_sees_or_changes_what_they_may_not(
    world: World, owner: str, measured: Callable[[str], None]
) -> None:
    hide(world, owner)
    reads, leaks = check_reads(world, owner)
    changes = check_changes(world, owner) + check_what_is_the_callers(world, owner)
    measured(f"owner is {owner}: {reads:,} reads, {len(leaks)} leaks; {changes} changes refused")
    assert not leaks


def check_reads(world: World, owner: str) -> tuple[int, list[str]]:
    """Read everything without and with the ETag from before; returns how often, and what leaked."""
    reads, leaks = 0, []
    for viewer, (label, kind, path) in product(VIEWERS, READS):
        status = expected_status(label, kind, viewer, owner)
        for etag in {"", world.etags.get((viewer, path), "")}:
            answer = world.ask(viewer, "GET", path, headers={"If-None-Match": etag})
            reads += 1
            what = f"{viewer} {path} {answer.status_code}"
            if answer.status_code == 304:
                # The client has what it may see, if it gets the same now.
                answer = world.ask(viewer, "GET", path)
                assert answer.headers["ETag"] == etag, what
            assert answer.status_code == status, what
            if status != 200:
                continue
            if kind == SHOWING and world.shows(answer) != may_see(viewer, owner):
                leaks.append(what)
            if world.caption in answer.content and not may_see(viewer, owner, POST):
                leaks.append(f"the post: {what}")
            if HELD_TEXT in answer.content and not may_see(viewer, owner, HELD):
                leaks.append(f"what is held back: {what}")
            if path == "/timeline/home":
                is_follower = viewer in ("follower", "muted", "friend", "restricted")
                is_in_home = is_follower and may_see(viewer, owner, POST)
                assert (world.caption in answer.content) == is_in_home, what
    return reads, leaks


def check_changes(world: World, owner: str) -> int:
    """Try to change what is the owner's; returns how often. All are refused."""
    changes = 0
    for label, row in OPERATIONS.items():
        for viewer, path in product(VIEWERS, row.paths if row.kind in (ACT, CHANGE) else ()):
            is_logged_in = viewer not in ("nobody", "suspended")
            is_allowed = may_see(viewer, owner, row.kind) and label not in ONLY_MAKER
            is_undoing = label in UNDOING and owner in ("suspended", "deleted")
            is_own_block = viewer == "blocker" and label.endswith("/block")
            if is_logged_in and (is_allowed or is_undoing or is_own_block):
                continue
            answer = world.ask(viewer, label.split()[0], path, json=BODIES.get(label))
            changes += 1
            status = 404 if is_logged_in else 401
            assert answer.status_code == status, f"{viewer} {label} {answer.text}"
    return changes


def check_what_is_the_callers(world: World, owner: str) -> int:
    """Read what is the caller's alone; returns how often. It shows nobody else."""
    listed = {("blocker", "/users/me/blocks"), ("muter", "/users/me/mutes")}
    if owner in ("public", "friends"):
        # The neutral person, whom they follow, follows the owner.
        strangers = ("stranger", "pending", "removed", "staff")
        listed |= {(viewer, "/users/me/suggestions") for viewer in strangers}
    reads = 0
    for label, row in OPERATIONS.items():
        paths = (row.paths or (label.removeprefix("GET "),)) if row.kind == MINE else ()
        for viewer, path in product(VIEWERS, paths):
            answer = world.ask(viewer, "GET", path)
            reads += 1
            if viewer in ("nobody", "suspended"):
                assert answer.status_code == 401, f"{viewer} {path}"
            elif row.paths:
                assert answer.status_code == 404, f"{viewer} {path}"
            else:
                is_listed = owner in VISIBLE and (viewer, path) in listed
                assert world.shows(answer) == is_listed, f"{viewer} {path}"
    return reads


@pytest.mark.parametrize("owner", VISIBLE)
def test_the_owner_sees_all_that_is_their_own(world: World, owner: str) -> None:
    hide(world, owner)
    world.viewers["owner"] = world.owner
    for label, kind, path in READS:
        answer = world.ask("owner", "GET", path)
        assert answer.status_code == 200, label
        # What waits for the owner is not in a list that others see.
        is_asked_for = kind == HELD and not path.endswith("/likes")
        assert (HELD_TEXT in answer.content) == is_asked_for, path
    assert HELD_TEXT in world.ask("owner", "GET", "/held-comments").content


@pytest.mark.parametrize("owner", ["private", "suspended", "deleted"])
def test_files_of_who_is_gone_go(world: World, owner: str) -> None:
    (media,) = world.ask("stranger", "GET", "/posts/{post}").json()["media"]
    assert httpx.get(media["url"]).status_code == 200
    hide(world, owner)
    wait_until(lambda: httpx.get(media["url"]).status_code in (403, 404))
    for viewer in VIEWERS if owner == "private" else ():
        answer = world.ask(viewer, "GET", "/posts/{post}")
        assert answer.is_success == (viewer in LET_IN), viewer
        if answer.is_success:
            assert httpx.get(answer.json()["media"][0]["url"]).status_code == 200


# What is different in each answer.
OF_THE_MOMENT = {
    *("x-request-id", "date", "ratelimit-remaining", "ratelimit-reset", "consistency-token"),
    "content-length",  # that of the name
}


@pytest.mark.parametrize("viewer", HIDDEN)
def test_a_block_is_answered_as_what_does_not_exist(world: World, viewer: str) -> None:
    hide(world, "public")
    absent = dict.fromkeys(world.names, str(ABSENT)) | {"owner": "nobody.at.all"}
    own_blocks = {"PUT /users/{username}/block", "DELETE /users/{username}/block"}
    for label, row in OPERATIONS.items():
        asks = row.kind in (PERSON, OWN, POST, ACT, CHANGE)
        if not asks or (viewer == "blocker" and label in own_blocks):
            continue
        for path in row.paths:
            answers = []
            for names in (world.names, absent):
                asked = f"/api/v1{path.format(**names)}"
                method, body = label.split()[0], BODIES.get(label)
                answer = world.viewers[viewer].http.request(method, asked, json=body)
                text = answer.text.replace(names["owner"], "OWNER")
                kept = {
                    name: "" if name in OF_THE_MOMENT else value
                    for name, value in answer.headers.items()
                }
                answers.append((answer.status_code, text, kept))
            assert answers[0] == answers[1], path
            assert answers[0][0] == 404, path
