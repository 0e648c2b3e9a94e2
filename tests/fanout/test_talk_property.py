"""Posts show whatever people like, say, edit and delete, in any order, and whatever dies.

A state machine makes steps at random, on the real services with real commits, and compares what is
shown of each post to each viewer with an oracle. A step may die after its commit, like a request
that is killed; the rest is then done from the rows that it left. Four planted bugs show that the
test notices.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from comments import services as comment_services
from comments.models import Comment
from core import counters
from core.http.problems import Problem
from core.valkey import cache_valkey
from posts import services as post_services
from posts.keys import liked_key, record_key
from posts.records import Record
from tests.support.client import wait_until
from tests.support.conversation import (
    PEOPLE,
    POSTS,
    WORD,
    Conversation,
    ExpectedComment,
    ExpectedPost,
)
from tests.support.machines import assert_bug_is_noticed, run_machine
from usergraph.own_lists import end_restriction, restrict_user
from users.keys import user_key
from users.services import set_active, update_profile

RUNS, STEPS = 30, 30
people = st.integers(0, PEOPLE - 1)
posts = st.integers(0, POSTS - 1)
numbers = st.integers(0, 20)
dies = st.sampled_from([False, False, True])
rarely = st.sampled_from([False, False, False, True])


class TalkMachine(RuleBasedStateMachine):
    """The rules; `make_talk` gives each run people and posts of its own."""

    make_talk: ClassVar[Callable[[], Conversation]]
    reads: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.talk = type(self).make_talk()

    def did(self, act: Callable[[], Any], *, allowed: bool, dies: bool = False) -> bool:
        """Make a step; it must be refused exactly when the oracle says so."""
        if not allowed:
            # A stale cache entry may still allow it; it is tried when no entry is stale.
            if not self.talk.is_behind:
                with pytest.raises(Problem):
                    act()
            return False
        if self.talk.is_behind:
            self.talk.catch_up()
        with self.talk.acting(dies):
            act()
        return True

    @rule(post=posts, person=people, dies=dies)
    def one_likes(self, post: int, person: int, dies: bool) -> None:
        self.like(post, person, dies=dies)

    def like(self, post: int, person: int, *, dies: bool) -> None:
        shown, user = self.talk.posts[post], self.talk.people[person]
        if user in self.talk.inactive:
            return
        act = lambda: post_services.like_post(post_id=shown.id, user_id=user)  # noqa: E731
        if self.did(act, allowed=not self.talk.is_gone(shown), dies=dies) and (
            user not in shown.likers
        ):
            shown.likers.append(user)

    @rule(post=posts, order=st.permutations(range(PEOPLE)))
    def all_like(self, post: int, order: list[int]) -> None:
        for person in order:
            self.like(post, person, dies=False)

    @rule(post=posts, person=people, dies=dies)
    def unlike(self, post: int, person: int, dies: bool) -> None:
        shown, user = self.talk.posts[post], self.talk.people[person]
        if user in self.talk.inactive:
            return
        act = lambda: post_services.unlike_post(post_id=shown.id, user_id=user)  # noqa: E731
        if self.did(act, allowed=not self.talk.is_gone(shown), dies=dies) and user in shown.likers:
            shown.likers.remove(user)

    @rule(post=posts, person=people, reply=st.none() | numbers, has_word=rarely, dies=dies)
    def comment(
        self, post: int, person: int, reply: int | None, has_word: bool, dies: bool
    ) -> None:
        shown, user = self.talk.posts[post], self.talk.people[person]
        answered = None
        if reply is not None and shown.comments:
            answered = shown.comments[reply % len(shown.comments)]
        allowed = not self.talk.is_gone(shown) and not shown.is_closed
        if answered is not None:
            is_shown = answered.author not in self.talk.inactive
            is_seen = not answered.is_held or user == answered.author
            allowed = allowed and is_shown and is_seen and answered.reply_to is None
        if user in self.talk.inactive:
            return
        text, made = f"No. {len(shown.comments)}{f' {WORD.upper()}!' if has_word else ''}", []
        reply_to = answered.id if answered else None

        def act() -> None:
            made.append(
                comment_services.add_comment(
                    post_id=shown.id, author_id=user, text=text, reply_to=reply_to
                )
            )

        if self.did(act, allowed=allowed, dies=dies):
            said = ExpectedComment(made[0], user, text, reply_to)
            answers_held = answered is not None and answered.is_held
            said.is_held = answers_held or self.talk.is_held(user, text)
            shown.comments.append(said)

    def said(self, post: int, number: int) -> tuple[ExpectedPost, ExpectedComment] | None:
        shown = self.talk.posts[post]
        if not shown.comments or self.talk.is_gone(shown):
            return None
        said = shown.comments[number % len(shown.comments)]
        return None if said.author in self.talk.inactive else (shown, said)

    @rule(post=posts, number=numbers, has_word=rarely, dies=dies)
    def edit(self, post: int, number: int, has_word: bool, dies: bool) -> None:
        if found := self.said(post, number):
            said, text = found[1], f"Edited {number}{f', {WORD}' if has_word else ''}"
            self.did(
                lambda: comment_services.edit_comment(
                    comment_id=said.id, author_id=said.author, text=text
                ),
                allowed=True,
                dies=dies,
            )
            if text != said.text:
                said.is_held = said.is_held or self.talk.is_held(said.author, text)
                said.text, said.edited = text, True

    @rule(person=people)
    def restrict(self, person: int) -> None:
        author, user = self.talk.people[0], self.talk.people[person]
        if author != user:
            change = end_restriction if user in self.talk.restricted else restrict_user
            change(owner_id=author, member_id=user)
            self.talk.restricted ^= {user}

    @rule(post=posts, number=numbers, dies=dies)
    def approve(self, post: int, number: int, dies: bool) -> None:
        if found := self.said(post, number):
            shown, said = found
            answered = [one for one in shown.comments if one.id == said.reply_to]
            waits = said.is_held and any(one.is_held for one in answered)
            if self.did(
                lambda: comment_services.approve_comment(
                    comment_id=said.id,
                    author_id=shown.author,
                    edited_at=Comment.objects.get(pk=said.id).edited_at,
                ),
                allowed=not waits,
                dies=dies,
            ):
                said.is_held = False

    @rule(post=posts, number=numbers, person=people, dies=dies)
    def delete_comment(self, post: int, number: int, person: int, dies: bool) -> None:
        shown, user = self.talk.posts[post], self.talk.people[person]
        if not shown.comments or self.talk.is_gone(shown) or user in self.talk.inactive:
            return
        # The author of the post may delete what nobody is shown any more.
        said = shown.comments[number % len(shown.comments)]
        if self.did(
            lambda: comment_services.delete_comment(comment_id=said.id, user_id=user),
            allowed=user in (shown.author, said.author),
            dies=dies,
        ):
            shown.comments = [s for s in shown.comments if said.id not in (s.id, s.reply_to)]

    @rule(post=posts, number=numbers, person=people)
    def like_comment(self, post: int, number: int, person: int) -> None:
        if found := self.said(post, number):
            said, user = found[1], self.talk.people[person]
            sees = not said.is_held or user in (said.author, found[0].author)
            if user in self.talk.inactive or not sees:
                return
            change = (
                comment_services.unlike_comment
                if user in said.likers
                else comment_services.like_comment
            )
            self.did(lambda: change(comment_id=said.id, user_id=user), allowed=True)
            said.likers ^= {user}

    @rule(post=posts, is_closed=st.booleans(), dies=dies)
    def close(self, post: int, is_closed: bool, dies: bool) -> None:
        shown = self.talk.posts[post]
        if not shown.is_deleted:
            changes = {"comments_closed": is_closed}
            self.did(
                lambda: post_services.edit_post(
                    post_id=shown.id, author_id=shown.author, changes=changes
                ),
                allowed=True,
                dies=dies,
            )
            shown.is_closed = is_closed

    @rule(person=people, number=numbers, dies=dies)
    def rename(self, person: int, number: int, dies: bool) -> None:
        user, name = self.talk.people[person], f"Name {number}"
        if user not in self.talk.inactive:
            self.did(
                lambda: update_profile(user_id=user, changes={"display_name": name}),
                allowed=True,
                dies=dies,
            )
            self.talk.names[user] = name

    @rule(person=people, dies=dies)
    def switch(self, person: int, dies: bool) -> None:
        user = self.talk.people[person]
        active = user in self.talk.inactive
        self.did(lambda: set_active(user_ids=[user], active=active), allowed=True, dies=dies)
        self.talk.inactive ^= {user}
        # A worker shows or hides what the account has made.
        self.talk.is_behind = True

    @rule(post=posts, rare=st.integers(0, 5), dies=dies)
    def delete_post(self, post: int, rare: int, dies: bool) -> None:
        shown = self.talk.posts[post]
        if rare == 0:
            self.did(
                lambda: post_services.delete_post(post_id=shown.id, author_id=shown.author),
                allowed=not shown.is_deleted,
                dies=dies,
            )
            shown.is_deleted = True

    @rule(number=numbers)
    def evict(self, number: int) -> None:
        keys = [record_key(post.id) for post in self.talk.posts]
        keys += [kind(person) for kind in (user_key, liked_key) for person in self.talk.people]
        cache_valkey().unlink(keys[number % len(keys)])

    @rule()
    def catch_up(self) -> None:
        self.talk.catch_up()

    @invariant()
    def everybody_is_shown_what_they_ought_to_be(self) -> None:
        if not self.talk.is_behind:
            self.talk.check(self.talk.people[self.talk.reads % PEOPLE])

    def teardown(self) -> None:
        self.talk.catch_up()
        for person in self.talk.people:
            self.talk.check(person)
        gone = [post.id for post in self.talk.posts if post.is_deleted]
        wait_until(lambda: not Comment.objects.filter(post_id__in=gone).exists())
        type(self).reads += self.talk.reads


@pytest.fixture
def machine(committed: None, person: Callable[[str], int]) -> type[TalkMachine]:
    """The machine, with counts of this test alone."""

    class Machine(TalkMachine):
        make_talk = staticmethod(lambda: Conversation([person("talker") for _ in range(PEOPLE)]))

    return Machine


def test_posts_show_what_people_do_whatever_happens(
    machine: type[TalkMachine], measured: Callable[[str], None]
) -> None:
    run_machine(machine, steps=STEPS, runs=RUNS, database=None)
    measured(f"{RUNS} runs, {machine.reads:,} checks of {POSTS} posts each against the oracle")


@pytest.mark.parametrize(
    ("owner", "name", "wrong"),
    [
        (post_services, "refresh_like", lambda **_: None),
        (post_services, "store_comment_summary", lambda **_: None),
        (Record, "likers_shown", lambda record, followed: record.liker_ids[:4]),
        (counters, "replies_to", lambda comment_id: comment_id),
    ],
    ids=[
        *("a like is not shown", "no comment is shown", "the latest likers come first"),
        "a reply counts as a like",
    ],
)
def test_it_would_be_noticed_if(
    machine: type[TalkMachine], monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, wrong: Any
) -> None:
    monkeypatch.setattr(owner, name, wrong)
    assert_bug_is_noticed(machine, steps=STEPS, runs=20 * RUNS)
