"""What an account has in Media: former avatars are removed, all is withheld while it is off."""

from collections.abc import Callable

import pytest

from core.http.problems import Conflict
from core.outbox.models import OutboxEvent
from media import services as media_services
from media import storage
from media.models import Media
from tests.support.deliveries import KilledError, deliver, killed, pending, pending_rows
from tests.support.stored import (
    IS_GONE,
    IS_PUBLIC,
    IS_WITHHELD,
    deliver_removals,
    objects_of,
)
from users import handlers, pictures
from users.events import user_changed
from users.models import User
from users.services import delete_account, set_active, update_profile

pytestmark = pytest.mark.django_db

Upload = Callable[..., Media]


def exists(media: Media) -> bool:
    return Media.objects.filter(pk=media.pk).exists()


def avatar_of(user_id: int) -> int | None:
    return User.objects.get(pk=user_id).avatar_media_id


def replaced(media: Media) -> list[OutboxEvent]:
    rows = pending_rows("default", "avatar_replaced").filter(payload__media_id=media.pk)
    return list(rows.order_by("pk"))


def claimed(media: Media) -> OutboxEvent:
    return pending("posts", "avatar_claimed", media_id=media.pk)


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_former_avatar_goes_with_its_objects(
    alice: int, upload: Upload, is_replaced: bool
) -> None:
    first, second = upload(alice), upload(alice)
    update_profile(user_id=alice, changes={"avatar": first.pk})
    assert replaced(first) == []
    update_profile(user_id=alice, changes={"avatar": second.pk if is_replaced else None})
    (event,) = replaced(first)
    assert deliver("default", event)
    assert not exists(first)
    deliver_removals(first)
    assert objects_of(first.storage_prefix) == IS_GONE
    assert objects_of(second.storage_prefix) == IS_PUBLIC
    for media in (first, second) if is_replaced else (first,):
        assert deliver("posts", claimed(media))
    assert Media.objects.get(pk=second.pk).used_as == ("avatar" if is_replaced else "")
    assert avatar_of(alice) == (second.pk if is_replaced else None)


def test_the_same_avatar_again_is_not_removed(alice: int, upload: Upload) -> None:
    first, second = upload(alice), upload(alice)
    for media in (first, first, second, first):
        update_profile(user_id=alice, changes={"avatar": media.pk})
    (of_first,), (of_second,) = replaced(first), replaced(second)
    assert deliver("default", of_first)
    assert exists(first)
    assert deliver("default", of_second)
    assert not exists(second)


def test_a_change_without_an_avatar_or_that_fails_removes_none(
    alice: int, bob: int, upload: Upload
) -> None:
    media, taken = upload(alice), User.objects.get(pk=bob).username
    update_profile(user_id=alice, changes={"avatar": media.pk})
    update_profile(user_id=alice, changes={"bio": "Diver."})
    with pytest.raises(Conflict):
        update_profile(user_id=alice, changes={"avatar": None, "username": taken})
    assert replaced(media) == []


def test_a_claim_whose_request_dies_before_the_account_has_it_is_released(
    alice: int, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim commits first, in another database. Afterwards the client may try again."""
    old, lost = upload(alice), upload(alice)
    update_profile(user_id=alice, changes={"avatar": old.pk})
    with monkeypatch.context() as patch:
        patch.setattr(user_changed, "announce", killed)
        with pytest.raises(KilledError):
            update_profile(user_id=alice, changes={"avatar": lost.pk})
    assert avatar_of(alice) == old.pk
    assert Media.objects.get(pk=lost.pk).used_as == "avatar"
    for media in (old, lost):
        assert deliver("posts", claimed(media))
    assert Media.objects.get(pk=old.pk).used_as == "avatar"
    assert Media.objects.get(pk=lost.pk).used_as == ""
    media_services.delete_media(media_id=lost.pk, owner_id=alice)
    with pytest.raises(Conflict):
        media_services.delete_media(media_id=old.pk, owner_id=alice)


def test_one_that_is_released_and_used_in_a_post_is_not_removed_as_a_former_avatar(
    alice: int, upload: Upload
) -> None:
    """Deliveries may be late, and in any order."""
    media = upload(alice)
    update_profile(user_id=alice, changes={"avatar": media.pk})
    update_profile(user_id=alice, changes={"avatar": None})
    assert deliver("posts", claimed(media))
    Media.objects.filter(pk=media.pk).update(used_as="post", used_by_id=7, position=0)
    (event,) = replaced(media)
    assert deliver("default", event)
    assert exists(media)


def test_an_avatar_that_is_remade_is_shown_at_its_new_address(alice: int, upload: Upload) -> None:
    """A delivery may be repeated, and come after the former objects are gone."""
    media = upload(alice)
    update_profile(user_id=alice, changes={"avatar": media.pk})
    Media.objects.filter(pk=media.pk).update(has_webp=False)
    assert media_services.remake_media(media_id=media.pk)
    remade = pending("posts", "avatar_remade", media_id=media.pk)
    for _ in range(2):
        pictures.show_remade_avatar(**remade.payload)
        new = Media.objects.get(pk=media.pk).storage_prefix
        assert User.objects.get(pk=alice).avatar_key == f"{new}/thumb.jpg"
        assert pending("default", "user_changed", user_id=alice)
        deliver_removals(media)
        assert objects_of(media.storage_prefix) == IS_GONE
        assert objects_of(new) == IS_PUBLIC


def test_an_avatar_that_is_remade_and_gone_meanwhile_leaves_the_account_as_it_is(
    alice: int, upload: Upload
) -> None:
    media = upload(alice)
    update_profile(user_id=alice, changes={"avatar": media.pk})
    Media.objects.filter(pk=media.pk).delete()
    pictures.show_remade_avatar(
        user_id=alice, media_id=media.pk, former_prefix=media.storage_prefix
    )
    assert User.objects.get(pk=alice).avatar_key == f"{media.storage_prefix}/thumb.jpg"


def switched(user_id: int) -> list[OutboxEvent]:
    rows = pending_rows("default", "account_switched").filter(payload__user_id=user_id)
    return list(rows.filter(subscriber="users").order_by("pk"))


def test_a_deactivated_accounts_media_are_withheld_until_it_is_active_again(
    alice: int, bob: int, upload: Upload
) -> None:
    media, others = [upload(alice) for _ in range(2)], upload(bob)
    assert set_active(user_ids=[alice], active=False) == 1
    now, late = switched(alice)
    assert late.wake_at > now.wake_at
    assert deliver("default", now)
    arrived_late = upload(alice)
    assert deliver("default", late)
    for one in (*media, arrived_late):
        assert objects_of(one.storage_prefix) == IS_WITHHELD
    assert objects_of(others.storage_prefix) == IS_PUBLIC
    assert set_active(user_ids=[alice], active=True) == 1
    again, _ = switched(alice)
    assert deliver("default", again)
    for one in (*media, arrived_late):
        assert objects_of(one.storage_prefix) == IS_PUBLIC


@pytest.mark.parametrize("is_active_at_last", [True, False])
def test_what_counts_is_what_the_account_is_now_not_what_the_event_was(
    alice: int, upload: Upload, is_active_at_last: bool
) -> None:
    media = upload(alice)
    for active in (False, True) if is_active_at_last else (False, True, False):
        set_active(user_ids=[alice], active=active)
    for event in reversed(switched(alice)):
        assert deliver("default", event)
        wanted = IS_PUBLIC if is_active_at_last else IS_WITHHELD
        assert objects_of(media.storage_prefix) == wanted


def test_an_account_that_is_switched_back_while_its_media_move_has_them_where_they_belong(
    alice: int, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = [upload(alice) for _ in range(3)]
    monkeypatch.setattr(pictures, "_MOVED_AT_ONCE", 1)
    set_active(user_ids=[alice], active=False)
    steps = pictures.place_media(user_id=alice)
    next(steps)
    assert [objects_of(one.storage_prefix) for one in media].count(IS_WITHHELD) == 1
    set_active(user_ids=[alice], active=True)
    list(steps)
    assert [objects_of(one.storage_prefix) for one in media] == [IS_PUBLIC] * 3


def test_nobody_is_switched_by_a_call_that_changes_nothing(alice: int) -> None:
    assert set_active(user_ids=[alice], active=True) == 0
    assert switched(alice) == []


def test_an_account_that_is_deleted_while_its_media_are_withheld_leaves_none(
    alice: int, upload: Upload
) -> None:
    media = [upload(alice) for _ in range(2)]
    set_active(user_ids=[alice], active=False)
    first, late = switched(alice)
    assert deliver("default", first)
    delete_account(user_id=alice, requested_by="staff")
    assert deliver("default", pending("default", "account_deleted", user_id=alice))
    assert deliver("default", late), "an account that is gone has nothing to move"
    for one in media:
        assert objects_of(one.storage_prefix) == IS_GONE
    assert not Media.objects.filter(owner_id=alice).exists()


def test_an_avatar_of_an_account_that_is_gone_meanwhile_is_left_to_its_deletion(
    alice: int, upload: Upload
) -> None:
    first, second = upload(alice), upload(alice)
    for media in (first, second):
        update_profile(user_id=alice, changes={"avatar": media.pk})
    delete_account(user_id=alice, requested_by="self")
    assert deliver("default", pending("default", "account_deleted", user_id=alice))
    assert deliver("default", replaced(first)[0])
    assert deliver("posts", claimed(second))
    assert not Media.objects.filter(owner_id=alice).exists()


@pytest.mark.parametrize("where", ["copy_objects", "remove_keys"])
def test_a_picture_that_was_published_in_vain_is_withheld_again(
    alice: int, upload: Upload, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """The request dies while the future avatar of a private account moves."""
    update_profile(user_id=alice, changes={"is_private": True})
    media = upload(alice)
    assert objects_of(media.storage_prefix) == IS_WITHHELD
    with monkeypatch.context() as patch:
        patch.setattr(storage, where, killed)
        with pytest.raises(KilledError):
            update_profile(user_id=alice, changes={"avatar": media.pk})
    assert Media.objects.get(pk=media.pk).place == "moving"
    (row,) = pending_rows("posts", "avatar_claimed").filter(payload__media_id=media.pk)
    assert deliver("posts", row)
    assert objects_of(media.storage_prefix) == IS_WITHHELD
    assert Media.objects.get(pk=media.pk).place == "withheld"


def test_very_many_media_are_moved_in_turns(
    alice: int, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some steps the worker ends, and says that there is more to do."""
    monkeypatch.setattr(pictures, "_MOVED_AT_ONCE", 1)
    monkeypatch.setattr(handlers, "STEPS_IN_TURN", 2)
    media = [upload(alice) for _ in range(5)]
    update_profile(user_id=alice, changes={"is_private": True})
    mine = {"subscriber": "users", "payload__user_id": alice}
    (row, _) = pending_rows("default", "privacy_changed").filter(**mine).order_by("wake_at")
    assert deliver("default", row)
    moved = [2]
    while row := pending_rows("default", "media_left").filter(**mine).first():
        assert deliver("default", row)
        moved.append(Media.objects.filter(owner_id=alice, place="withheld").count())
    assert moved == [2, 4, 5]
    assert all(objects_of(one.storage_prefix) == IS_WITHHELD for one in media)
