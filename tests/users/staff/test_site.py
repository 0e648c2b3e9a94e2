"""Every page of the admin needs the second factor; and every action asks, and is in the log."""

import re
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from core.admin_actions import StaffPage
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


@pytest.mark.django_db
@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model._meta.label)
def test_every_page_is_ours_and_every_action_names_its_permission_and_asks(
    model: type[Model], ada: User
) -> None:
    promote(ada.pk, is_staff=True, is_superuser=True)
    request = staff_browser(ada.pk).get(INDEX).wsgi_request
    page = admin.site._registry[model]
    assert isinstance(page, StaffPage)
    for function, name, _ in cast("Any", page)._get_base_actions():
        assert function.allowed_permissions, name
        for permission in function.allowed_permissions:
            assert hasattr(page, f"has_{permission}_permission"), name
        answer = function(page, request, page.get_queryset(request).none())
        assert answer.template_name == "admin/staff_action.html", name
