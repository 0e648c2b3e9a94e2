"""PUBLIC_PAGES: what is answered without a token; test_without_an_account.py has what it shows."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from core.http.permissions import READS
from operations.web_client import published_page
from socialfeed.public_pages import REPLACED
from tests.conftest import ALL_DATABASES
from tests.support.posts_factory import make_posts
from users.models import User

pytestmark = pytest.mark.django_db(databases=ALL_DATABASES)

PAGE = """<meta name="description" content="The client." />
<title>The client</title>"""
PUBLIC = {
    "/api/v1/posts/{post_id}",
    "/api/v1/posts/{post_id}/comments",
    "/api/v1/users/{username}",
    "/api/v1/users/{username}/timeline",
}


@pytest.fixture
def pages(alice: int, settings: Any, tmp_path: Path) -> list[str]:
    """Addresses of the client about a person and a post; the client is published."""
    settings.STATIC_ROOT = str(tmp_path)
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "index.html").write_text(PAGE)
    (post_id,) = make_posts(alice, 1)
    return [f"/u/{User.objects.get(pk=alice).username}", f"/p/{post_id}"]


def addresses(pages: list[str]) -> list[str]:
    """The same of the API."""
    profile, post = f"/api/v1/users{pages[0][2:]}", f"/api/v1/posts{pages[1][2:]}"
    return [profile, f"{profile}/timeline", post, f"{post}/comments"]


@pytest.mark.usefixtures("stack")
def test_the_schema_says_which_reads_need_no_token() -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    open_ = {
        (method.upper(), path)
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
        if path.startswith("/api/v1/") and {} in operation.get("security", [])
    }
    assert open_ == {("GET", path) for path in PUBLIC}


@pytest.mark.parametrize("method", sorted(READS))
def test_pages_are_public_only_if_the_setting_says_so(
    pages: list[str], settings: Any, method: str
) -> None:
    client = Client()
    for address in [*addresses(pages), *pages]:
        assert client.generic(method, address).status_code == 200, address
    settings.PUBLIC_PAGES = False
    for address in addresses(pages):
        assert client.generic(method, address).status_code == 401, address
    for page in pages:
        assert client.generic(method, page).status_code == 404, page


def test_what_is_public_is_only_read(pages: list[str]) -> None:
    for address in addresses(pages):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert Client().generic(method, address).status_code in {401, 405}, (method, address)
    for page in pages:
        assert Client().post(page).status_code == 405


def test_the_title_is_replaced(pages: list[str]) -> None:
    for page in pages:
        text = Client().get(page).content.decode()
        assert text.count("<title>") == 1
        assert "The client" not in text


def test_without_a_published_client_there_is_no_page(pages: list[str], tmp_path: Path) -> None:
    (tmp_path / "web" / "index.html").unlink()
    assert published_page() is None
    for page in pages:
        assert Client().get(page).status_code == 404


def test_the_built_page_has_what_is_replaced(settings: Any) -> None:
    page = (Path(settings.WEB_CLIENT_DIR) / "index.html").read_text()
    assert len(REPLACED.findall(page)) == 1
