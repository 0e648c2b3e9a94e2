"""The admin page that explains why a post is in a home timeline."""

import html
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.support.explanations import publish
from tests.support.staff import promote, staff_browser
from users.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("follows")]

PAGE = reverse("explain-home")


def client_of(user_id: int, *permissions: str, **columns: Any) -> Client:
    """A browser in which a user is logged in, with these columns and permissions."""
    promote(user_id, *permissions, **columns)
    return staff_browser(user_id)


@pytest.fixture
def staff(bob: int) -> Client:
    """A browser of staff who may view the outbox and posts, and no more."""
    return client_of(bob, "view_postsoutboxevent", "view_post", is_staff=True)


def test_staff_see_the_gates_whether_they_name_the_viewer_or_give_an_id(
    staff: Client, alice: int, bob: int
) -> None:
    post_id, _ = publish(bob)
    name = User.objects.get(pk=alice).username
    for viewer in (name, f"@{name.upper()}", alice):
        page = staff.get(PAGE, {"viewer": viewer, "post": post_id})
        text = html.unescape(page.text)
        assert page.status_code == 200
        assert text.count('class="gate-') == 8
        assert f"@{name} has followed" in text
        assert f"@{name} sees post {post_id}, and should." in text
        assert 'src="/static/admin/img/icon-yes.svg"' in text


@pytest.mark.parametrize(
    ("viewer", "post", "error"),
    [
        ("nobody_here", "1", "There is no user nobody_here."),
        ("9" * 30, "1", "There is no user 999"),
        ("\0", "1", "Null characters are not allowed."),
        ("", "1", "This field is required."),
        ("bob", "word", "Enter a whole number."),
        ("bob", "", "This field is required."),
        ("bob", "-1", "greater than or equal to 1"),
        ("x" * 31, "1", "at most 30 characters"),
    ],
)
def test_bad_input_is_named_in_the_form(staff: Client, viewer: str, post: str, error: str) -> None:
    page = staff.get(PAGE, {"viewer": viewer, "post": post})
    assert page.status_code == 200
    assert error in html.unescape(page.text)
    assert 'class="gate-' not in page.text


def test_a_number_that_is_no_posts_id_is_explained(staff: Client, alice: int) -> None:
    page = staff.get(PAGE, {"viewer": alice, "post": 10**40})
    assert "There never was such a post" in page.text


def test_the_empty_form_shows_no_error(staff: Client) -> None:
    page = staff.get(PAGE, {"post": "17"})
    assert page.status_code == 200
    assert "errornote" not in page.text
    assert 'value="17"' in page.text


def test_the_page_is_read_only(staff: Client) -> None:
    assert staff.post(PAGE, {"viewer": "bob", "post": "1"}).status_code == 405


def test_the_outbox_and_each_post_lead_there(staff: Client, bob: int) -> None:
    post_id, _ = publish(bob)
    outbox = staff.get(reverse("admin:core_postsoutboxevent_changelist"))
    assert f'href="{PAGE}"' in outbox.text
    post = reverse("admin:posts_post_change", args=[post_id])
    assert f'href="{PAGE}?post={post_id}"' in staff.get(post).text
    other = client_of(bob, "view_post", is_staff=True)
    assert PAGE not in other.get(post).text, "which they may not open"


def test_who_is_not_staff_is_sent_to_log_in(alice: int) -> None:
    page = client_of(alice, "view_postsoutboxevent").get(PAGE)
    assert page.status_code == 302
    assert page.headers["Location"].startswith(reverse("admin:login"))


def test_staff_without_the_permission_are_refused(alice: int) -> None:
    assert client_of(alice, "view_post", is_staff=True).get(PAGE).status_code == 403
