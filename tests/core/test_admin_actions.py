"""Actions of staff ask first, need a reason, and are in the admin's log."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from core.admin_actions import MAX_ROWS
from core.outbox.models import OutboxEvent
from core.outbox.rows import record
from posts.models import Post
from tests.support.posts_factory import make_posts
from tests.support.staff import confirmed, promote, staff_browser
from users.models import User

pytestmark = pytest.mark.django_db

POSTS, USERS, OUTBOX = "/admin/posts/post/", "/admin/users/user/", "/admin/core/outboxevent/"


@pytest.fixture
def boss(person: Callable[[str], int]) -> User:
    return promote(person("boss"), is_staff=True, is_superuser=True)


@pytest.fixture
def staff(boss: User) -> Client:
    """A browser in which a superuser has logged in."""
    return staff_browser(boss.pk)


def log_of(row: Any) -> list[tuple[Any, ...]]:
    entries = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(row), object_id=str(row.pk)
    )
    return list(entries.values_list("user_id", "object_repr", "action_flag", "change_message"))


@pytest.mark.parametrize("body", [{}, {"confirmed": "yes"}, {"confirmed": "yes", "reason": "  "}])
def test_an_action_asks_for_a_reason_and_does_nothing_before(
    staff: Client, alice: int, body: dict[str, str]
) -> None:
    data = {"action": "deactivate", "_selected_action": [alice], **body}
    page = staff.post(USERS, data)
    user = User.objects.get(pk=alice)
    assert page.status_code == 200
    assert f"{user.username} ({alice})" in page.text
    assert 'name="reason"' in page.text
    assert ("This field is required" in page.text) == bool(body)
    assert user.is_active
    assert not log_of(user)


def test_the_log_says_who_whom_what_when_and_why(staff: Client, boss: User, alice: int) -> None:
    page = staff.post(USERS, confirmed("deactivate", [alice], "Sells <spam>."), follow=True)
    user = User.objects.get(pk=alice)
    assert not user.is_active
    assert "1 deactivated." in page.text
    note = "Deactivated. Reason: Sells <spam>."
    assert log_of(user) == [(boss.pk, user.username, CHANGE, note)]
    listed = staff.get("/admin/admin/logentry/", {"q": str(alice)})
    assert "Sells &lt;spam&gt;." in listed.text
    assert boss.username in listed.text
    assert "Sells &lt;spam&gt;." in staff.get(f"{USERS}{alice}/history/").text


def test_a_row_that_did_not_change_is_not_in_the_log(staff: Client, alice: int) -> None:
    staff.post(USERS, confirmed("activate", [alice]))
    assert not log_of(User.objects.get(pk=alice))


def test_rows_that_are_refused_are_named_before_and_after_and_stay(
    boss: User, alice: int, bob: int
) -> None:
    promote(boss.pk, "view_user", "change_user", is_superuser=False)
    promote(bob, is_staff=True)
    staff = staff_browser(boss.pk)
    name = User.objects.get(pk=bob).username
    asked = staff.post(USERS, {"action": "deactivate", "_selected_action": [alice, bob]})
    why = f"{name}: only a superuser may change an account of staff."
    assert why in asked.text
    assert f'value="{alice}"' in asked.text
    assert f'value="{bob}"' not in asked.text
    done = staff.post(USERS, confirmed("deactivate", [alice, bob]), follow=True)
    assert f"Left as it is: {why}" in done.text
    assert not User.objects.get(pk=alice).is_active
    assert User.objects.get(pk=bob).is_active
    assert not log_of(User.objects.get(pk=bob))


@pytest.mark.parametrize("page", ["list", "row"])
def test_a_deletion_asks_and_is_logged_from_the_list_and_from_the_row(
    staff: Client, boss: User, alice: int, page: str
) -> None:
    post = Post.objects.get(pk=make_posts(alice, 1)[0])
    path = POSTS if page == "list" else f"{POSTS}{post.pk}/delete/"
    asked = staff.post(path, {"action": "delete_selected", "_selected_action": [post.pk]})
    assert "Delete the selected posts" in asked.text
    assert Post.objects.filter(pk=post.pk).exists()
    assert staff.post(path, confirmed("delete_selected", [post.pk])).headers["Location"] == POSTS
    assert not Post.objects.filter(pk=post.pk).exists()
    assert log_of(post) == [(boss.pk, str(post), DELETION, "Deleted. Reason: Spam.")]


def test_the_page_of_a_deletion_deletes_its_own_row_only(staff: Client, alice: int) -> None:
    first, second = make_posts(alice, 2)
    staff.post(f"{POSTS}{first}/delete/", confirmed("delete_selected", [second]))
    assert list(Post.objects.filter(author_id=alice).values_list("pk", flat=True)) == [second]
    assert staff.post(f"{POSTS}{first}/delete/", {}).status_code == 404


@pytest.mark.parametrize("permission", ["change_outboxevent", "delete_outboxevent"])
def test_a_delivery_is_woken_by_staff_who_may_change_it_only(boss: User, permission: str) -> None:
    promote(boss.pk, "view_outboxevent", permission, is_superuser=False)
    payload = {"user_id": boss.pk}
    event_id = record(database="default", kind="user_changed", subscriber="users", payload=payload)
    staff_browser(boss.pk).post(OUTBOX, confirmed("wake_now", [event_id]))
    is_logged = bool(log_of(OutboxEvent.objects.get(pk=event_id)))
    assert is_logged == (permission == "change_outboxevent")


def test_too_many_rows_at_once_are_refused(staff: Client, alice: int) -> None:
    make_posts(alice, MAX_ROWS + 1)
    body = confirmed("delete_selected", [1]) | {"select_across": "1"}
    page = staff.post(f"{POSTS}?q={alice}", body, follow=True)
    assert f"Select at most {MAX_ROWS} rows" in page.text
    assert Post.objects.filter(author_id=alice).count() == MAX_ROWS + 1
