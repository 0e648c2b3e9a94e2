"""The object store has what is shown, where it may be seen, and nothing else.

A state machine uploads, posts, wears, deletes, dies, switches accounts, and makes them private at
random; events are delivered late and in any order. The oracle is a few sets. At the end all events
are delivered.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from core.http.problems import Conflict, Invalid, Unavailable
from core.outbox.models import OutboxEvent
from media import services as media_services
from media import storage
from media.models import Media
from posts.services import delete_post, publish_post
from tests.support.deliveries import KilledError, deliver, killed
from tests.support.machines import run_machine
from tests.support.stored import ALL
from users import services as user_services
from users.events import user_changed

pytestmark = pytest.mark.django_db

RUNS, STEPS = 15, 30
people, numbers = st.integers(0, 1), st.integers(0, 30)


class Owner:
    """What somebody has, by media id: unused, the avatar, former avatars; the media of posts."""

    def __init__(self, user_id: int) -> None:
        self.id, self.is_active, self.is_private = user_id, True, False
        self.unused: list[int] = []
        self.former: list[int] = []
        self.avatar: int | None = None
        self.posts: dict[int, int] = {}

    def shown(self) -> set[int]:
        return {*self.unused, *self.posts.values()} | ({self.avatar} if self.avatar else set())


def chosen(some: list[int], number: int) -> int:
    return some[number % len(some)]


@dataclass(frozen=True)
class Fixtures:
    """Of the test that runs the machine."""

    person: Callable[[str], int]
    upload: Callable[[int], Media]
    monkeypatch: pytest.MonkeyPatch


class ObjectsMachine(RuleBasedStateMachine):
    """The rules."""

    fixtures: ClassVar[Fixtures]

    def __init__(self) -> None:
        super().__init__()
        self.owners = [Owner(self.fixtures.person(name)) for name in ("ada", "bea")]
        self.prefixes: dict[int, str] = {}

    def store(self, owner: Owner) -> None:
        media = self.fixtures.upload(owner.id)
        self.prefixes[media.pk] = media.storage_prefix
        owner.unused.append(media.pk)

    @rule(person=people)
    def uploads(self, person: int) -> None:
        if self.owners[person].is_active:
            self.store(self.owners[person])

    @rule(person=people, stored=st.integers(0, 3))
    def dies_uploading(self, person: int, stored: int) -> None:
        put = storage.put_variants

        def put_some(*, prefix: str, variants: dict[str, bytes]) -> None:
            put(prefix=prefix, variants=dict(list(variants.items())[:stored]))
            raise KilledError

        with self.fixtures.monkeypatch.context() as patch:
            patch.setattr(storage, "put_variants", put_some)
            with pytest.raises(KilledError):
                self.fixtures.upload(self.owners[person].id)
        row = Media.objects.filter(owner_id=self.owners[person].id).latest("pk")
        self.prefixes[row.pk] = row.storage_prefix

    @rule(person=people, number=numbers)
    def posts(self, person: int, number: int) -> None:
        owner = self.owners[person]
        if not (owner.is_active and owner.unused):
            return
        media_id = chosen(owner.unused, number)
        try:
            post_id = publish_post(author_id=owner.id, caption="", media_ids=[media_id])
        except Invalid:  # a request died wearing it, and it is not released yet
            assert Media.objects.get(pk=media_id).used_as == "avatar"
            return
        owner.unused.remove(media_id)
        owner.posts[post_id] = media_id

    @rule(person=people, number=numbers, dies=st.booleans())
    def wears(self, person: int, number: int, dies: bool) -> None:
        owner = self.owners[person]
        if not (owner.is_active and owner.unused):
            return
        media_id = chosen(owner.unused, number)
        changes = {"avatar": media_id}
        if dies:
            with self.fixtures.monkeypatch.context() as patch:
                patch.setattr(user_changed, "announce", killed)
                with pytest.raises(KilledError):
                    user_services.update_profile(user_id=owner.id, changes=changes)
            return
        user_services.update_profile(user_id=owner.id, changes=changes)
        owner.unused.remove(media_id)
        self.takes_off_silently(owner)
        owner.avatar = media_id

    def takes_off_silently(self, owner: Owner) -> None:
        if owner.avatar:
            owner.former.append(owner.avatar)
        owner.avatar = None

    @rule(person=people, number=numbers)
    def wears_a_former_one(self, person: int, number: int) -> None:
        owner = self.owners[person]
        if not (owner.is_active and owner.former):
            return
        media_id = chosen(owner.former, number)
        try:
            user_services.update_profile(user_id=owner.id, changes={"avatar": media_id})
        except Invalid:
            assert not Media.objects.filter(pk=media_id).exists()
            return
        except Unavailable:  # the account was switched off and on, and it is not moved back yet
            assert Media.objects.get(pk=media_id).place != Media.Place.PUBLIC
            return
        owner.former.remove(media_id)
        self.takes_off_silently(owner)
        owner.avatar = media_id

    @rule(person=people)
    def takes_off(self, person: int) -> None:
        owner = self.owners[person]
        if owner.is_active:
            user_services.update_profile(user_id=owner.id, changes={"avatar": None})
            self.takes_off_silently(owner)

    @rule(person=people, number=numbers)
    def deletes(self, person: int, number: int) -> None:
        owner = self.owners[person]
        if not owner.shown():
            return
        media_id = chosen(sorted(owner.shown()), number)
        try:
            media_services.delete_media(media_id=media_id, owner_id=owner.id)
        except Conflict:
            assert Media.objects.get(pk=media_id).used_as
            return
        owner.unused.remove(media_id)

    @rule(person=people, number=numbers)
    def deletes_a_post(self, person: int, number: int) -> None:
        owner = self.owners[person]
        if owner.posts:
            post_id = chosen(sorted(owner.posts), number)
            delete_post(post_id=post_id, author_id=owner.id)
            del owner.posts[post_id]

    @rule(person=people)
    def is_switched(self, person: int) -> None:
        owner = self.owners[person]
        owner.is_active = not owner.is_active
        user_services.set_active(user_ids=[owner.id], active=owner.is_active)

    def pending(self) -> list[tuple[str, OutboxEvent]]:
        """The events about these people that are not delivered."""
        ids = {owner.id for owner in self.owners}
        found = []
        for database in ("default", "posts"):
            for row in OutboxEvent.objects.using(database).filter(done_at=None).order_by("pk"):
                payload = row.payload
                if ids & {payload.get("user_id"), payload.get("author_id")} or (
                    {*payload.get("prefixes", [])} & {*self.prefixes.values()}
                ):
                    found.append((database, row))
        return found

    @rule(person=people)
    def closes_or_opens(self, person: int) -> None:
        owner = self.owners[person]
        if owner.is_active:
            owner.is_private = not owner.is_private
            changes = {"is_private": owner.is_private}
            user_services.update_profile(user_id=owner.id, changes=changes)

    @rule(person=people, number=numbers, where=st.sampled_from(["copy_objects", "remove_keys"]))
    def dies_publishing_what_it_would_wear(self, person: int, number: int, where: str) -> None:
        owner = self.owners[person]
        unused = Media.objects.filter(pk__in=owner.unused, used_as="", place="withheld")
        withheld = list(unused.values_list("pk", flat=True))
        if not (owner.is_active and withheld):
            return
        with self.fixtures.monkeypatch.context() as patch:
            patch.setattr(storage, where, killed)
            changes = {"avatar": chosen(withheld, number)}
            with pytest.raises(KilledError):
                user_services.update_profile(user_id=owner.id, changes=changes)

    @precondition(lambda self: self.pending())
    @rule(number=numbers)
    def one_is_delivered(self, number: int) -> None:
        pending = self.pending()
        assert deliver(*pending[number % len(pending)])

    @rule()
    def dead_uploads_are_swept(self) -> None:
        mine = [owner.id for owner in self.owners]
        arriving = Media.objects.filter(owner_id__in=mine, place="arriving")
        for media in arriving:
            aged = media.created_at - media_services.ARRIVAL
            arriving.filter(pk=media.pk).update(created_at=aged)
        media_services.remove_dead_uploads(limit=1000)

    def teardown(self) -> None:
        self.dead_uploads_are_swept()
        while pending := self.pending():
            for database, row in pending:
                assert deliver(database, row)
        public, withheld = self.objects()
        for owner in self.owners:
            wanted = {
                f"{self.prefixes[media_id]}/{name}" for media_id in owner.shown() for name in ALL
            }
            mine = Media.objects.filter(owner_id=owner.id)
            assert {*mine.values_list("pk", flat=True)} == owner.shown()
            prefix = self.prefixes[owner.avatar] if owner.avatar else "none"
            avatar = {key for key in wanted if key.startswith(f"{prefix}/")}
            open_ = (avatar if owner.is_private else wanted) if owner.is_active else set()
            assert open_ <= public
            assert wanted - open_ <= withheld
            public -= open_
            withheld -= wanted - open_
        assert (public, withheld) == (set(), set()), "nothing else is left"

    def objects(self) -> tuple[set[str], set[str]]:
        """The objects of these people that are public, and that are withheld; as public keys."""
        mine = {*self.prefixes.values()}
        found: tuple[set[str], set[str]] = (set(), set())
        for page in storage.list_objects():
            for item in page:
                if item.prefix in mine:
                    name = item.key.rpartition("/")[2]
                    found[not storage.is_public(item.key)].add(f"{item.prefix}/{name}")
        return found


def test_the_store_has_what_is_shown_and_nothing_else(
    person: Callable[[str], int],
    upload: Callable[[int], Media],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ObjectsMachine.fixtures = Fixtures(person, upload, monkeypatch)
    run_machine(ObjectsMachine, steps=STEPS, runs=RUNS)
