"""The forms of all of staff's pages: they ask for a reason, log it, and keep to the ranks."""

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.urls import reverse

from comments.models import Comment
from core.admin_classes import OwnedAdmin
from core.outbox.models import OutboxEvent
from media.models import Media
from posts.models import Post, WaitingPost
from tests.support.posts_factory import make_posts
from tests.support.staff import confirmed, promote, staff_browser
from users.models import User

pytestmark = pytest.mark.django_db
# The fields that a change of each row sends. A page that lets staff change rows must be here.
CHANGES: dict[type[Model], dict[str, str]] = {
    Post: {"caption": "Without the insult."},
    WaitingPost: {"caption": "Without the insult."},
    Comment: {"text": "Without the insult."},
    Media: {"alt": "Without the insult."},
    User: {"bio": "Without the insult."},
    Group: {"name": "Moderators of comments"},
}


@pytest.fixture
def boss(person: Callable[[str], int]) -> User:
    return promote(person("boss"), is_staff=True, is_superuser=True)


@pytest.fixture
def rows(alice: int) -> dict[type[Model], Model]:
    """A row of each page, of alice."""
    (post,) = make_posts(alice, 1)
    comment = Comment.objects.create(post_id=post, author_id=alice, text="An insult.")
    media = Media.objects.create(
        owner_id=alice, storage_prefix="m/x", width=1, height=1, byte_size=1
    )
    return {
        Post: Post.objects.get(pk=post),
        WaitingPost: WaitingPost.objects.create(author_id=alice, media_ids=[media.pk]),
        Comment: comment,
        Media: media,
        User: User.objects.get(pk=alice),
        Group: Group.objects.create(name="Moderators"),
    }


def page_of(row: Model, page: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=[row.pk])


def body_of(row: Model, **more: str) -> dict[str, Any]:
    username = {"username": row.username} if isinstance(row, User) else {}
    commenters = {"comments_from": row.comments_from} if isinstance(row, Post) else {}
    return {**username, **commenters, **CHANGES[type(row)], **more}


def log_of(row: Model) -> Iterator[tuple[int, str]]:
    kind = ContentType.objects.get_for_model(row)
    for entry in LogEntry.objects.filter(content_type=kind, object_id=str(row.pk)):
        yield entry.user_id, entry.get_change_message()


def is_changed(row: Model) -> bool:
    row.refresh_from_db()
    return all(getattr(row, name) == value for name, value in CHANGES[type(row)].items())


def count_events() -> list[int]:
    databases = ("default", "posts", "comments")
    return [OutboxEvent.objects.using(database).count() for database in databases]


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=repr)
@pytest.mark.parametrize(
    "model", [Post, WaitingPost, Comment, Media, User], ids=lambda model: model.__name__
)
def test_a_form_that_is_saved_as_it_was_changes_nothing(
    boss: User, rows: dict[type[Model], Model], model: type[Model], end: str
) -> None:
    """A browser joins the lines of a field of one line, and ends those of others with CR and LF."""
    row, staff = rows[model], staff_browser(boss.pk)
    (name,) = CHANGES[model]
    text = end.join(["Low tide.", "", "And shells."])
    cast("Any", model).objects.filter(pk=row.pk).update(**{name: text})
    before = count_events()
    assert f'<textarea name="{name}"' in staff.get(page_of(row)).text
    sent = {name: "\r\n".join(["Low tide.", "", "And shells."])}
    body = body_of(row, reason="To look.") | sent
    assert staff.post(page_of(row), body).status_code == 302
    row.refresh_from_db()
    assert getattr(row, name) == text
    assert getattr(row, "edited_at", None) is None
    assert count_events() == before


def test_every_page_that_changes_rows_is_tested_here(boss: User) -> None:
    request = staff_browser(boss.pk).get("/admin/").wsgi_request
    pages = admin.site._registry.items()
    writable = {model for model, page in pages if page.has_change_permission(request)}
    writable |= {model for model, page in pages if page.has_delete_permission(request)}
    assert writable == {*CHANGES}


@pytest.mark.parametrize("model", CHANGES, ids=lambda model: model.__name__)
def test_a_form_asks_for_a_reason_and_logs_it(
    model: type[Model], boss: User, rows: dict[type[Model], Model]
) -> None:
    row, staff = rows[model], staff_browser(boss.pk)
    url = page_of(row)
    assert 'name="reason"' in staff.get(url).text
    for without in ({}, {"reason": ""}, {"reason": "  "}):
        page = staff.post(url, body_of(row, **without))
        assert page.status_code == 200
        assert "This field is required" in page.text
    assert not is_changed(row)
    assert not [*log_of(row)]
    saved = staff.post(url, body_of(row, reason="An <insult>."))
    assert saved.status_code == 302, saved.context and saved.context["errors"]
    assert is_changed(row)
    ((who, what),) = log_of(row)
    assert who == boss.pk
    assert what.startswith("Changed ")
    assert what.endswith(". Reason: An <insult>.")
    assert "eason and" not in what, "the reason is no change of the row"


@pytest.mark.parametrize("model", [User, Group], ids=lambda model: model.__name__)
def test_a_form_that_adds_a_row_asks_too(model: type[Model], boss: User) -> None:
    staff = staff_browser(boss.pk)
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")
    password = {"password1": "high-tide-at-dusk", "password2": "high-tide-at-dusk"}
    body = {"name": "Others", "username": "greta", "usable_password": "true", **password}
    assert "This field is required" in staff.post(url, body).text
    assert staff.post(url, body | {"reason": "A new team."}).status_code == 302
    (entry,) = LogEntry.objects.filter(user=boss)
    assert entry.get_change_message() == "Added. Reason: A new team."


@pytest.mark.parametrize(
    "model", [Post, WaitingPost, Comment, Media], ids=lambda model: model.__name__
)
@pytest.mark.parametrize("actor", ["moderator", "superuser"])
@pytest.mark.parametrize("owner", ["user", "staff", "superuser", "gone"])
def test_ranks_guard_what_an_account_owns(
    person: Callable[[str], int],
    rows: dict[type[Model], Model],
    model: type[Model],
    actor: str,
    owner: str,
) -> None:
    row = rows[model]
    page = cast("OwnedAdmin[Any]", admin.site._registry[model])
    owner_id = getattr(row, page.owner_field)
    if owner == "gone":
        User.objects.filter(pk=owner_id).delete()
    else:
        promote(owner_id, is_staff=owner != "user", is_superuser=owner == "superuser")
    kinds = ("post", "waitingpost", "comment")
    names = [f"{do}_{kind}" for do in ("view", "change", "delete") for kind in kinds]
    staff = person("staff")
    promote(staff, *names, "change_media", is_staff=True, is_superuser=actor == "superuser")
    browser = staff_browser(staff)
    may = actor == "superuser" or owner in {"user", "gone"}
    answer = browser.post(page_of(row), body_of(row, reason="An insult."))
    assert answer.status_code == (302 if may else 403)
    assert is_changed(row) == may
    if model is Media:  # staff delete none
        return
    lists = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    if not may:
        one = browser.post(page_of(row, "delete"), confirmed("delete_selected", [row.pk]))
        assert one.status_code == 403
        asked = browser.post(lists, {"action": "delete_selected", "_selected_action": [row.pk]})
        assert "only a superuser may touch" in asked.text
    browser.post(lists, confirmed("delete_selected", [row.pk]))
    assert model._default_manager.filter(pk=row.pk).exists() != may
