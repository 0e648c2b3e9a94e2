"""Waiting posts, their media and uploads agree with an oracle, whatever happens in any order.

A state machine submits posts of whatever is there, changes and deletes them, and lets uploads
become ready or fail; events are delivered late. Three planted bugs show that it notices.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, ClassVar

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.http.problems import Conflict, Invalid
from media import processing
from media import services as media_services
from media.decoding import decode_image
from media.events import upload_processed
from media.models import Media, Upload
from media.storage import new_incoming_key, new_prefix
from posts import waiting
from posts.models import WaitingPost
from posts.selectors import waiting_post_document
from tests.support.api_documents import shown_post
from tests.support.deliveries import deliver, pending_rows
from tests.support.images import encoded, plain
from tests.support.machines import assert_bug_is_noticed, run_machine

pytestmark = pytest.mark.django_db
STEPS, RUNS = 40, 60
# A seed by which each planted bug is noticed within a few runs.
EARLY = 1
numbers = st.integers(0, 30)
choices = st.lists(numbers, min_size=1, max_size=3)


@dataclass
class Wanted:
    """What is known of a submitted post; `post_id` once it is published."""

    media: list[int]
    post_id: int | None = None


@dataclass
class Model:
    """The oracle."""

    states: dict[int, str] = field(default_factory=dict)  # by upload
    waiting: dict[int, Wanted] = field(default_factory=dict)
    published: list[Wanted] = field(default_factory=list)

    def users(self, media_id: int) -> int:
        everything = [*self.waiting.values(), *self.published]
        return sum(media_id in wanted.media for wanted in everything)

    def is_ready(self, media_ids: list[int]) -> bool:
        return all(self.states[id_] == "ready" for id_ in media_ids)

    def may_use(self, media_ids: list[int], besides: Wanted | None = None) -> bool:
        """Whether a post, such as the waiting one `besides`, may have these media."""
        own = besides.media if besides else []
        return len(set(media_ids)) == len(media_ids) and all(
            self.states[id_] != "failed" and (id_ in own or not self.users(id_))
            for id_ in media_ids
        )


class WaitingMachine(RuleBasedStateMachine):
    """The rules; `make_author` gives each run an author of its own."""

    decoded: ClassVar[Any]
    checks: ClassVar[int]

    def __init__(self) -> None:
        super().__init__()
        self.model, self.author_id = Model(), self.make_author()
        self.announce_uploads(3)

    @classmethod
    def make_author(cls) -> int:
        raise NotImplementedError

    @rule(count=st.integers(1, 3))
    def announce_uploads(self, count: int) -> None:
        for _ in range(count):
            upload = Upload.objects.create(
                owner_id=self.author_id,
                content_type="image/jpeg",
                byte_size=1,
                key=new_incoming_key(),
                state="processing",
            )
            self.model.states[upload.pk] = "processing"

    @rule(choice=choices)
    def submit(self, choice: list[int]) -> None:
        media_ids = self._some(choice)
        made: list[waiting.Submitted] = []
        if not self._is_done(
            lambda: made.append(
                waiting.submit_post(author_id=self.author_id, caption="", media_ids=media_ids)
            ),
            if_=self.model.may_use(media_ids),
        ):
            return
        (submitted,) = made
        assert submitted.is_published == self.model.is_ready(media_ids)
        if submitted.is_published:
            self.model.published.append(Wanted(media_ids, submitted.id))
        else:
            self.model.waiting[submitted.id] = Wanted(media_ids)

    @rule(number=numbers, choice=choices)
    def change(self, number: int, choice: list[int]) -> None:
        if (id_ := self._one(self.model.waiting, number)) is None:
            return
        media_ids, wanted = self._some(choice), self.model.waiting[id_]
        if self._is_done(
            lambda: waiting.change_waiting_post(
                waiting_post_id=id_, author_id=self.author_id, changes={"media_ids": media_ids}
            ),
            if_=self.model.may_use(media_ids, wanted),
        ):
            wanted.media = media_ids
            self._note_if_published(id_)

    @rule(number=numbers)
    def delete(self, number: int) -> None:
        if (id_ := self._one(self.model.waiting, number)) is not None:
            waiting.delete_waiting_post(waiting_post_id=id_, author_id=self.author_id)
            del self.model.waiting[id_]

    @rule(number=numbers)
    def delete_media(self, number: int) -> None:
        if (id_ := self._one(self.model.states, number)) is None:
            return
        if self._is_done(
            lambda: media_services.delete_media(media_id=id_, owner_id=self.author_id),
            if_=not self.model.users(id_),
        ):
            del self.model.states[id_]

    @rule(number=numbers, fails=st.booleans())
    def end_processing(self, number: int, fails: bool) -> None:
        on_their_way = [id_ for id_, state in self.model.states.items() if state == "processing"]
        if (id_ := self._one(on_their_way, number)) is None:
            return
        if fails and number % 2:
            processing._fail(id_, code="other", reason="Broken.")
            self.model.states[id_] = "failed"
        else:
            self._make_ready(id_)

    @rule(number=numbers)
    def end_processing_of_all(self, number: int) -> None:
        """Of all that a waiting post holds."""
        if (id_ := self._one(self.model.waiting, number)) is not None:
            for media_id in self.model.waiting[id_].media:
                if self.model.states[media_id] == "processing":
                    self._make_ready(media_id)

    @rule()
    def deliver_events(self) -> None:
        for event in pending_rows("posts", "upload_processed").filter(subscriber="posts"):
            assert deliver("posts", event)
        for id_ in list(self.model.waiting):
            self._note_if_published(id_)

    @invariant()
    def all_is_as_it_ought_to_be(self) -> None:
        type(self).checks += 1
        for id_, wanted in self.model.waiting.items():
            document = waiting_post_document(waiting_post_id=id_, author_id=self.author_id)
            assert [int(media["id"]) for media in document["media"]] == wanted.media
            states = [self.model.states[media_id] for media_id in wanted.media]
            assert [media["state"] for media in document["media"]] == states
            assert document["state"] == ("failed" if "failed" in states else "waiting")
        for wanted in self.model.published:
            assert wanted.post_id is not None
            document = shown_post(wanted.post_id, self.author_id)
            assert [int(media["id"]) for media in document["media"]] == wanted.media
        used = set[int]()
        for model in (Upload, Media):
            mine = model.objects.filter(owner_id=self.author_id, used_by_id__isnull=False)
            used.update(mine.values_list("pk", flat=True))
        assert used == {id_ for id_ in self.model.states if self.model.users(id_)}

    def teardown(self) -> None:
        self.deliver_events()
        self.all_is_as_it_ought_to_be()
        assert not [
            wanted for wanted in self.model.waiting.values() if self.model.is_ready(wanted.media)
        ]

    def _make_ready(self, media_id: int) -> None:
        processing._become_media(
            media_id, self.decoded, storage_prefix=new_prefix(), place="public"
        )
        self.model.states[media_id] = "ready"

    def _note_if_published(self, id_: int) -> None:
        if self.model.is_ready(self.model.waiting[id_].media):
            wanted = self.model.waiting.pop(id_)
            wanted.post_id = WaitingPost.objects.get(pk=id_).post_id
            self.model.published.append(wanted)

    def _is_done(self, act: Callable[[], object], *, if_: bool) -> bool:
        """Do what is allowed `if_` this holds, and is refused if not."""
        refusal = ""
        try:
            act()
        except (Conflict, Invalid) as problem:
            refusal = problem.detail
        assert bool(refusal) != if_, refusal
        return if_

    def _some(self, choice: list[int]) -> list[int]:
        if not self.model.states:
            self.announce_uploads(1)
        known = sorted(self.model.states)
        return [known[number % len(known)] for number in choice]

    def _one(self, ids: Collection[int], number: int) -> int | None:
        known = sorted(ids)
        return known[number % len(known)] if known else None


def publish_without_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A waiting post is published when any of its media is ready."""
    monkeypatch.setattr(media_services, "are_held_and_ready", lambda **_: True)


def forget_to_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deleted waiting post still holds its media."""
    monkeypatch.setattr(media_services, "release_held_media", lambda **_: None)


def announce_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody hears that media are ready."""
    monkeypatch.setattr(upload_processed, "announce", lambda _: None)


@pytest.fixture
def machine(person: Callable[[str], int]) -> type[WaitingMachine]:
    """The machine, with counts of this test alone."""

    class Machine(WaitingMachine):
        decoded = decode_image(encoded(plain()))
        checks = 0

        @classmethod
        def make_author(cls) -> int:
            return person("author")

    return Machine


def test_each_media_is_where_it_ought_to_be_whatever_happens(
    machine: type[WaitingMachine], measured: Callable[[str], None]
) -> None:
    run_machine(machine, steps=STEPS, runs=RUNS, database=None)
    measured(f"{RUNS} runs, {machine.checks:,} steps compared")
    assert machine.checks >= 10 * RUNS


@pytest.mark.parametrize("plant", [publish_without_looking, forget_to_let_go, announce_nothing])
def test_a_planted_bug_is_noticed(
    plant: Callable[[pytest.MonkeyPatch], None],
    machine: type[WaitingMachine],
    monkeypatch: pytest.MonkeyPatch,
    measured: Callable[[str], None],
) -> None:
    plant(monkeypatch)
    hypothesis.seed(EARLY)(machine)
    assert_bug_is_noticed(machine, steps=STEPS, runs=RUNS)
    measured(f"{plant.__name__} noticed after {machine.checks} steps")
