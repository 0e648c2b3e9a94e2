"""Every page of the admin needs the second factor."""

import re
from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.support.staff import promote, staff_browser, with_cookie
from tests.users.conftest import open_session
from users.models import User
from users.services import set_active

# Where somebody who has not entered is sent.
LOG_IN, INDEX = "/admin/login/", "/admin/"
OPEN = {LOG_IN, "/admin/login/second-factor/"}


def addresses(node: URLResolver | URLPattern, prefix: str = "/") -> Iterator[str]:
    """An address for each pattern below a node, with 1 in place of each argument."""
    route = str(node.pattern).removeprefix("^").removesuffix("$").removesuffix(r"\Z")
    route = re.sub(r"\(\?P<app_label>([a-z]+)[^)]*\)", r"\1", route)  # the first of the apps
    route = re.sub(r"\(\?P<url>\.\*\)", "nowhere", route)
    path = prefix + re.sub(r"<[^>]+>", "1", route)
    if isinstance(node, URLPattern):
        yield path
    else:
        for child in node.url_patterns:
            yield from addresses(child, path)


def pages() -> list[str]:
    everything = [path for node in get_resolver().url_patterns for path in addresses(node, "/")]
    return sorted({path for path in everything if path.startswith("/admin/")} - OPEN)


def test_the_pages_are_found() -> None:
    found = pages()
    assert len(found) > 80
    assert {INDEX, "/admin/users/user/1/password/", "/admin/operations/explain/"} <= {*found}
    assert {"/admin/nowhere", "/admin/password_change/"} <= {*found}


@pytest.mark.django_db
@pytest.mark.parametrize("who", ["nobody", "password only", "session of the API", "not staff"])
def test_no_page_opens_without_a_code_and_a_session_of_the_admin(who: str, ada: User) -> None:
    promote(ada.pk, is_staff=who != "not staff", is_superuser=True)
    browsers: dict[str, Callable[[], Client]] = {
        "nobody": Client,
        "password only": lambda: staff_browser(ada.pk, second_factor=False),
        "session of the API": lambda: with_cookie(str(open_session(ada.pk).session_key)),
        "not staff": lambda: staff_browser(ada.pk),
    }
    browser = browsers[who]()
    for path in pages():
        for answer in (browser.get(path), browser.post(path)):
            assert answer.status_code == 302, path
            assert answer.headers["Location"].partition("?")[0] in {LOG_IN, INDEX}, path
    assert browser.get(INDEX).headers["Location"].startswith(LOG_IN)


@pytest.mark.django_db
def test_the_pages_open_to_staff_with_a_code(ada: User) -> None:
    promote(ada.pk, is_staff=True)
    assert staff_browser(ada.pk).get(INDEX).status_code == 200


@pytest.mark.django_db
def test_a_deactivated_account_is_out_of_the_admin_at_once(ada: User) -> None:
    """Even if STATE kept the session: the account is read on each request."""
    promote(ada.pk, is_staff=True)
    browser = staff_browser(ada.pk)
    set_active(user_ids=[ada.pk], active=False)
    assert browser.get(INDEX).status_code == 302
