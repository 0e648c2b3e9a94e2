"""A name that was given up leads to who had it, and nobody else may take it for a while."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, connections, transaction
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from core.http.problems import Conflict, NotFound
from tests.support.accounts import name_of
from tests.support.api_documents import deactivate
from tests.support.feeds import access_token
from usergraph.related import HiddenPeople
from usergraph.store import IdSet
from users import selectors
from users.models import FormerUsername, User
from users.services import (
    MAX_FORMER_USERNAMES,
    delete_account,
    ensure_account,
    finish_deletion,
    free_former_usernames,
    import_users,
    locked_account,
    update_profile,
)
from users.usernames import is_held, look

SIGN_UP = "/_allauth/app/v1/auth/signup"


def rename(user_id: int, name: str) -> None:
    update_profile(user_id=user_id, changes={"username": name})


def remove(user_id: int) -> None:
    deletion_id = delete_account(user_id=user_id, requested_by="self")
    assert finish_deletion(deletion_id=deletion_id)


def caller(user_id: int) -> APIClient:
    made = APIClient()
    made.credentials(HTTP_AUTHORIZATION=f"Bearer {access_token(user_id)}")
    return made


def sign_up(name: str) -> Any:
    body = {"username": name, "email": f"{name}@example.net", "password": "high-tide-at-dusk"}
    return Client().post(SIGN_UP, body, "application/json")


@pytest.fixture
def freed(alice: int, unique: Callable[[str], str]) -> str:
    """A name that alice has just given up. Its look-alikes end in 0 instead of o."""
    name = f"{unique('rosa')}_o"
    rename(alice, name)
    rename(alice, unique("other"))
    return name


@pytest.mark.django_db
@given(st.text("abcdefghijklmnopqrstuvwxyzABCRVNW0123456789._", max_size=30))
def test_the_database_sees_in_a_name_what_the_code_sees(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT users_username_look(%s)", [name])
        assert cursor.fetchone()[0] == look(name)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["", "/timeline", "/followers", "/following"], ids=lambda path: path or "profile"
)
def test_a_former_name_leads_to_all_of_its_owner(
    alice: int, bob: int, freed: str, path: str
) -> None:
    client = caller(bob)
    expected = client.get(f"/api/v1/users/{name_of(alice)}{path}")
    answer = client.get(f"/api/v1/users/{freed.upper()}{path}")
    assert answer.status_code == expected.status_code == 200
    if path:
        assert answer.json()["results"] == expected.json()["results"]
    else:
        assert answer.json() == expected.json()
        assert answer.json()["username"] == name_of(alice) != freed


@pytest.mark.django_db
def test_who_has_a_former_name_is_followed_and_listed_by_it(
    alice: int, bob: int, freed: str
) -> None:
    client = caller(bob)
    for method, follows in ((client.put, True), (client.put, True), (client.delete, False)):
        assert method(f"/api/v1/users/{freed}/follow").status_code in {200, 204}
        viewer = client.get(f"/api/v1/users/{freed}").json()["viewer"]
        assert viewer["following"] is follows
    assert client.get("/api/v1/posts", {"author": freed}).status_code == 200
    assert selectors.user_id_by_username(username=freed.upper()) == alice


@pytest.mark.django_db
def test_a_profile_is_found_by_its_id_whatever_it_is_called(
    alice: int, bob: int, freed: str
) -> None:
    client = caller(bob)
    shown = client.get(f"/api/v1/users/by-id/{alice}").json()
    assert shown == client.get(f"/api/v1/users/{name_of(alice)}").json()
    assert client.get("/api/v1/users/by-id/1").status_code == 404
    deactivate(alice)
    for address in (f"by-id/{alice}", freed, f"{freed}/timeline"):
        answer = client.get(f"/api/v1/users/{address}")
        assert answer.status_code == 404
        assert name_of(alice) not in answer.text


@pytest.mark.django_db
def test_a_former_name_does_not_tell_the_new_one_to_whom_it_is_hidden(
    alice: int, bob: int, freed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = HiddenPeople(bob, IdSet(frozenset({alice}), is_whole=True))
    monkeypatch.setattr(selectors, "_hiding_rules", [lambda viewer_id: hidden])
    for called, read in ((freed, selectors.profile), (None, selectors.profile_by_id)):
        which: dict[str, Any] = {"username": called} if called else {"user_id": alice}
        with pytest.raises(NotFound) as refused:
            read(viewer_id=bob, **which)
        assert name_of(alice) not in str(refused.value)


def by_sign_up(name: str, user_id: int) -> None:
    answer = sign_up(name)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "username_taken"
    raise IntegrityError


def by_patch(name: str, user_id: int) -> None:
    answer = caller(user_id).patch("/api/v1/users/me", {"username": name}, format="json")
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["field"] == "username"
    raise IntegrityError


def by_command(name: str, user_id: int) -> None:
    ensure_account(username=name, email=f"{name}@example.net")


def by_import(name: str, user_id: int) -> None:
    import_users(usernames=[name])


def by_django(name: str, user_id: int) -> None:
    get_user_model().objects.create_superuser(name, f"{name}@example.net", "high-tide-at-dusk")


def by_sql(name: str, user_id: int) -> None:
    User.objects.filter(pk=user_id).update(username=name)


WAYS = [by_sign_up, by_patch, by_command, by_import, by_django, by_sql]


@pytest.mark.django_db
@pytest.mark.parametrize("is_deleted", [False, True], ids=["renamed", "deleted"])
@pytest.mark.parametrize("take", WAYS, ids=lambda way: way.__name__)
def test_nobody_else_takes_a_freed_name_or_one_that_looks_like_it(
    alice: int, bob: int, freed: str, take: Callable[[str, int], None], is_deleted: bool
) -> None:
    if is_deleted:
        freed = f"{freed}_too"  # held since the deletion, as are the names before it
        rename(alice, freed)
        remove(alice)
    for name in (freed, freed.replace("o", "0"), freed.replace("_", ".")):
        with pytest.raises(IntegrityError), transaction.atomic(using="default"):
            take(name, bob)
        assert not User.objects.filter(username=name).exists()


@pytest.mark.django_db
def test_staff_are_told_that_a_held_name_is_taken(staff: Client, bob: int, freed: str) -> None:
    fields = {"username": freed, "reason": "To see."}
    added = {"password1": "high-tide-at-dusk", "password2": "high-tide-at-dusk"}
    for page in (
        staff.post(reverse("admin:users_user_change", args=[bob]), fields),
        staff.post(reverse("admin:users_user_add"), fields | added | {"usable_password": "true"}),
    ):
        assert page.status_code == 200
        assert "This username is taken." in page.text
    assert not User.objects.filter(username=freed).exists()


@pytest.mark.django_db
def test_the_owner_takes_a_name_back_and_then_the_other_one_is_held(
    alice: int, bob: int, freed: str
) -> None:
    other = name_of(alice)
    rename(alice, freed)
    assert name_of(alice) == freed
    assert selectors.user_id_by_username(username=other) == alice
    with pytest.raises(Conflict, match="taken"):
        rename(bob, other)
    # A look-alike of one's own held name is one's own, too.
    rename(alice, other.replace("o", "0"))


@pytest.mark.django_db
def test_a_name_is_free_after_some_days_and_leads_to_who_has_it_then(
    alice: int, bob: int, freed: str
) -> None:
    days = timedelta(days=settings.FORMER_USERNAME_DAYS)
    rows = FormerUsername.objects.filter(username=freed)
    rows.update(freed_at=Now() - days + timedelta(hours=1))
    free_former_usernames()
    with pytest.raises(Conflict):
        rename(bob, freed)
    rows.update(freed_at=Now() - days - timedelta(hours=1))
    assert free_former_usernames() == 1
    with pytest.raises(NotFound):
        selectors.user_id_by_username(username=freed)
    rename(bob, freed)
    assert selectors.user_id_by_username(username=freed) == bob


@pytest.mark.django_db
def test_nobody_hoards_names_by_renaming(alice: int, unique: Callable[[str], str]) -> None:
    first, names = name_of(alice), [unique("n") for _ in range(MAX_FORMER_USERNAMES)]
    for name in names:
        rename(alice, name)
    for name in (unique("more"), unique("more")):
        with pytest.raises(Conflict, match=first) as refused:
            rename(alice, name)
        assert (refused.value.code, refused.value.field) == ("too_many_renames", "username")
    for name in (first, names[0], first):
        rename(alice, name)
        assert FormerUsername.objects.filter(user_id=alice).count() == MAX_FORMER_USERNAMES
    update_profile(user_id=alice, changes={"username": first, "bio": "Diver."})


@pytest.mark.django_db
def test_a_deletion_leaves_only_hashes_of_names_which_expire(alice: int, freed: str) -> None:
    last = name_of(alice)
    remove(alice)
    rows = FormerUsername.objects.filter(look__in=[look(freed), look(last)])
    assert {*rows.values_list("username", "user_id")} == {("", None)}
    assert not FormerUsername.objects.filter(user_id=alice).exists()
    for name in (freed, last):
        assert is_held(username=name, user_id=None)
        with pytest.raises(NotFound):
            selectors.user_id_by_username(username=name, active_only=False)
    rows.update(freed_at=Now() - timedelta(days=settings.FORMER_USERNAME_DAYS, minutes=1))
    free_former_usernames()
    assert sign_up(last).status_code == 200


RACERS = 6


@pytest.mark.parametrize("leave", ["rename", "deletion"])
def test_nobody_slips_in_while_a_name_is_given_up(
    committed: None, person: Callable[[str], int], unique: Callable[[str], str], leave: str
) -> None:
    for _ in range(5):
        owner, others = person("owner"), [person("racer") for _ in range(RACERS)]
        name, new = name_of(owner), unique("renamed")
        start = Barrier(RACERS + 1)

        def give_up(owner: int, new: str, start: Barrier) -> str:
            start.wait()
            try:
                if leave == "rename":
                    rename(owner, new)
                else:  # the worker of the stack may be the one that ends it
                    deletion_id = delete_account(user_id=owner, requested_by="self")
                    with locked_account(user_id=owner):  # as the worker does
                        finish_deletion(deletion_id=deletion_id)
            finally:
                connections.close_all()
            return "gone"

        def take(user_id: int, name: str, start: Barrier) -> str:
            start.wait()
            try:
                for _ in range(20):
                    try:
                        rename(user_id, name)
                    except Conflict:
                        continue
                    return "taken"
            finally:
                connections.close_all()
            return "refused"

        with ThreadPoolExecutor(RACERS + 1) as pool:
            leaving = pool.submit(give_up, owner, new, start)
            taking = [pool.submit(take, other, name, start) for other in others]
            assert leaving.result() == "gone"
            assert {one.result() for one in taking} == {"refused"}
