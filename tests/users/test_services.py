"""Profiles change; accounts are created, deactivated and deleted."""

from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import DatabaseError

from core.http.problems import Conflict, Invalid, NotFound
from core.outbox.models import OutboxEvent
from media.models import Media
from tests.support.account_data import add_admin_log_entry, count_account_rows
from tests.users.conftest import deletions, open_session
from users import selectors, services
from users.events import user_changed
from users.models import User
from users.services import (
    delete_account,
    ensure_account,
    finish_deletion,
    import_users,
    note_removed,
    remove_second_factor,
    replace_password,
    set_active,
    update_profile,
)
from users.sessions import list_sessions, remember_session

pytestmark = pytest.mark.django_db


@pytest.fixture
def upload() -> Callable[[int], int]:
    """Make an upload of a user's; returns its id. There is nothing in the object store."""

    def make(owner_id: int) -> int:
        prefix = f"public/media/{owner_id}-{Media.objects.count()}"
        media = Media.objects.create(
            owner_id=owner_id, width=1, height=1, byte_size=1, storage_prefix=prefix
        )
        return media.pk

    return make


def test_only_what_is_given_changes(alice: int) -> None:
    update_profile(user_id=alice, changes={"display_name": "Alice", "bio": "Diver."})
    update_profile(user_id=alice, changes={"bio": ""})
    user = User.objects.get(pk=alice)
    assert (user.display_name, user.bio) == ("Alice", "")


def test_a_profile_that_is_saved_as_it_was_is_not_announced(
    alice: int, upload: Callable[[int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    monkeypatch.setattr(user_changed, "announce", lambda user: heard.append(user.user_id))
    name = User.objects.get(pk=alice).username
    changes = {"username": name, "display_name": "Alice", "bio": "Diver.", "avatar": upload(alice)}
    for _ in range(2):
        update_profile(user_id=alice, changes=changes)
    assert heard == [alice]
    update_profile(user_id=alice, changes=changes | {"avatar": None})
    for what in changes:
        stored = User.objects.filter(pk=alice).values("username", "display_name", "bio")[0]
        update_profile(user_id=alice, changes={what: (stored | {"avatar": None})[what]})
    assert heard == [alice, alice]


def test_an_avatar_claims_its_media_and_is_removed_by_none(
    alice: int, upload: Callable[[int], int]
) -> None:
    media_id = upload(alice)
    update_profile(user_id=alice, changes={"avatar": media_id})
    user = User.objects.get(pk=alice)
    assert user.avatar_media_id == media_id
    assert "thumb" in user.avatar_key
    media = Media.objects.get(pk=media_id)
    assert (media.used_as, media.used_by_id) == ("avatar", alice)
    update_profile(user_id=alice, changes={"avatar": None})
    assert User.objects.filter(pk=alice, avatar_media_id=None, avatar_key="").exists()


def test_a_media_that_cannot_be_the_avatar_is_named_and_nothing_changes(
    alice: int, bob: int, upload: Callable[[int], int]
) -> None:
    with pytest.raises(Invalid) as refused:
        update_profile(user_id=alice, changes={"bio": "Half.", "avatar": upload(bob)})
    assert refused.value.field == "avatar"
    user = User.objects.get(pk=alice)
    assert (user.bio, user.avatar_media_id) == ("", None)


def test_a_taken_username_is_a_conflict(alice: int, bob: int) -> None:
    taken = User.objects.get(pk=bob).username
    with pytest.raises(Conflict, match="taken") as refused:
        update_profile(user_id=alice, changes={"username": taken})
    assert refused.value.field == "username"


def test_a_change_that_is_refused_uses_up_no_media(
    alice: int, bob: int, upload: Callable[[int], int]
) -> None:
    media_id = upload(alice)
    taken = User.objects.get(pk=bob).username
    with pytest.raises(Conflict):
        update_profile(user_id=alice, changes={"avatar": media_id, "username": taken})
    assert Media.objects.get(pk=media_id).used_as == ""


def test_a_deleted_or_deactivated_account_changes_no_profile(alice: int) -> None:
    set_active(user_ids=[alice], active=False)
    for user_id in (alice, 1):
        with pytest.raises(NotFound):
            update_profile(user_id=user_id, changes={"bio": "x"})


def test_deactivation_ends_the_sessions_on_commit_and_counts_its_changes(
    alice: int, bob: int, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    ended: list[int] = []
    monkeypatch.setattr("users.services.end_sessions", lambda *, user_id: ended.append(user_id))
    remember_session(user_id=alice, session_key="phone")
    with django_capture_on_commit_callbacks(using="default", execute=True):
        assert set_active(user_ids=[alice, bob], active=False) == 2
        assert ended == []
    assert ended == [alice, bob]
    assert set_active(user_ids=[alice, bob], active=False) == 0
    assert set_active(user_ids=[alice], active=True) == 1


def test_only_whose_state_changes_are_announced(
    alice: int, bob: int, person: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    leaving = person("leaving")
    delete_account(user_id=leaving, requested_by="self")
    monkeypatch.setattr(user_changed, "announce", lambda user: heard.append(user.user_id))
    set_active(user_ids=[alice], active=False)
    set_active(user_ids=[alice, bob, leaving], active=False)
    set_active(user_ids=[alice, bob, leaving], active=True)
    set_active(user_ids=[alice, bob, leaving], active=True)
    assert heard == [alice, bob, alice, bob]


def test_an_account_is_made_once_with_a_verified_address(unique: Callable[[str], str]) -> None:
    name = unique("carol")
    user_id, is_new = ensure_account(
        username=name, email="carol@example.org", password="sea-urchin"
    )
    assert is_new
    assert ensure_account(username=name, email="x@example.org") == (user_id, False)
    assert User.objects.get(pk=user_id).check_password("sea-urchin")
    address = EmailAddress.objects.get(user_id=user_id)
    assert (address.email, address.verified, address.primary) == ("carol@example.org", True, True)


def test_without_a_password_nobody_can_log_in_and_staff_are_superusers(
    unique: Callable[[str], str],
) -> None:
    user_id, _ = ensure_account(username=unique("dora"), email="d@example.org", staff=True)
    user = User.objects.get(pk=user_id)
    assert not user.has_usable_password()
    assert user.is_staff
    assert user.is_superuser


def test_importing_usernames_twice_makes_them_once(unique: Callable[[str], str]) -> None:
    names = [unique("member") for _ in range(5)]
    first = import_users(usernames=names, batch_size=2)
    assert set(first) == set(names)
    assert import_users(usernames=names, batch_size=2) == first


@pytest.mark.parametrize(
    "username", ["", ".dot", "a b", "é", "x" * 31, "me", "ADMIN", "a\n"], ids=repr
)
def test_a_username_that_an_address_could_not_hold_is_refused(username: str) -> None:
    with pytest.raises(ValidationError):
        User(username=username, password="x").full_clean()


def test_a_username_is_lower_case_by_whatever_way_it_comes_in(unique: Callable[[str], str]) -> None:
    name = unique("Frida")
    created = get_user_model().objects.create_user(name, "f@example.org", "sea-urchin")
    assert created.username == name.lower()
    with pytest.raises(ValidationError, match="taken"):
        User(username=name.upper(), email="g@example.org", password="x").full_clean()


def events(user_id: int) -> list[str]:
    """The kinds of the events about a user, in order."""
    rows = OutboxEvent.objects.filter(payload__user_id=user_id).order_by("pk")
    return list(rows.values_list("kind", flat=True))


def by_whom(requested_by: str) -> Callable[[User], object]:
    return lambda user: delete_account(user_id=user.pk, requested_by=requested_by)


@pytest.mark.parametrize(
    "act",
    [
        lambda user: remove_second_factor(user_id=user.pk),
        lambda user: replace_password(user=user),
        by_whom("staff"),
        by_whom("self"),
    ],
    ids=["second factor", "password", "deletion by staff", "own deletion"],
)
def test_a_notice_that_raises_leaves_no_session_alive(
    ada: User,
    act: Callable[[User], object],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("the server has gone")

    monkeypatch.setattr(services, "send_staff_notice", fail)
    monkeypatch.setattr(services, "send_notice", fail)
    Authenticator.objects.create(user=ada, type="totp", data={"secret": "JBSWY3DP"})
    open_session(ada.pk)
    with django_capture_on_commit_callbacks(using="default", execute=True):
        act(ada)
    assert list_sessions(user_id=ada.pk) == []


def test_a_deleted_account_is_deactivated_and_its_sessions_end_on_commit(
    ada: User, ended: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(using="default") as callbacks:
        deletion_id = delete_account(user_id=ada.pk, requested_by="staff")
    deletion = deletions(ada.pk).get()
    assert (deletion.pk, deletion.username, deletion.requested_by) == (
        deletion_id,
        ada.username,
        "staff",
    )
    assert (deletion.removed, deletion.done_at) == ({}, None)
    assert not User.objects.get(pk=ada.pk).is_active
    assert events(ada.pk) == ["user_changed", "account_deleted"]
    event = OutboxEvent.objects.get(kind="account_deleted", payload__user_id=ada.pk)
    assert event.payload == {"user_id": ada.pk, "deletion_id": deletion_id}
    assert ended == []
    for callback in callbacks[-1:]:
        callback()
    assert ended == [ada.pk]
    with pytest.raises(NotFound):
        selectors.profile(username=ada.username, viewer_id=ada.pk)


def test_a_second_request_is_the_same_deletion(ada: User) -> None:
    first = delete_account(user_id=ada.pk, requested_by="self")
    assert delete_account(user_id=ada.pk, requested_by="staff") == first
    assert deletions(ada.pk).get().requested_by == "self"
    assert events(ada.pk).count("account_deleted") == 1


def test_a_deactivated_account_can_be_deleted(ada: User) -> None:
    set_active(user_ids=[ada.pk], active=False)
    delete_account(user_id=ada.pk, requested_by="staff")
    assert deletions(ada.pk).exists()


def test_an_account_that_is_gone_is_not_found(ada: User) -> None:
    deletion_id = delete_account(user_id=ada.pk, requested_by="self")
    assert finish_deletion(deletion_id=deletion_id)
    with pytest.raises(NotFound):
        delete_account(user_id=ada.pk, requested_by="self")


@pytest.mark.parametrize("status", ["is_staff", "is_superuser"])
def test_staff_are_not_deleted(ada: User, status: str) -> None:
    User.objects.filter(pk=ada.pk).update(**{status: True})
    with pytest.raises(Conflict, match="staff"):
        delete_account(user_id=ada.pk, requested_by="command")
    assert User.objects.get(pk=ada.pk).is_active
    assert events(ada.pk) == []


def test_an_account_that_is_being_deleted_is_not_activated_or_changed(
    ada: User, alice: int, ended: list[int]
) -> None:
    set_active(user_ids=[alice], active=False)
    delete_account(user_id=ada.pk, requested_by="self")
    assert set_active(user_ids=[ada.pk, alice], active=True) == 1
    active = User.objects.filter(pk__in=[ada.pk, alice], is_active=True)
    assert [user.pk for user in active] == [alice]
    with pytest.raises(NotFound):
        update_profile(user_id=ada.pk, changes={"bio": "Still here."})


def test_what_is_removed_adds_up_and_the_end_leaves_nothing_of_the_person(ada: User) -> None:
    add_admin_log_entry(ada.pk)
    other = LogEntry.objects.count()
    deletion_id = delete_account(user_id=ada.pk, requested_by="self")
    for count in (3, 4):
        note_removed(deletion_id=deletion_id, kind="posts", count=count)
    note_removed(deletion_id=deletion_id, kind="comment likes", count=1)
    assert selectors.deletion_progress(deletion_id=deletion_id) == selectors.DeletionProgress(
        {"posts": 7, "comment likes": 1}, is_done=False
    )
    assert finish_deletion(deletion_id=deletion_id)
    assert count_account_rows(ada.pk) == {}
    assert LogEntry.objects.count() == other - 1
    assert selectors.deletion_progress(deletion_id=deletion_id).is_done
    assert deletions(ada.pk).get().username == ""
    assert not finish_deletion(deletion_id=deletion_id), "it was done before"
