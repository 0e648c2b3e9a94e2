"""Two people at two browsers do the five use cases."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.support.client import PASSWORD
from tests.support.images import encoded
from tests.web.browsing import Visitor
from tests.web.offline import waits_until_stored

COLOURS = {"red": (200, 40, 40), "green": (40, 160, 60), "blue": (40, 60, 200)}


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    """A picture of each colour."""
    paths = {name: tmp_path / f"{name}.jpg" for name in COLOURS}
    for name, path in paths.items():
        path.write_bytes(encoded(Image.new("RGB", (640, 800), COLOURS[name])))
    return paths


def sign_up(visitor: Visitor, username: str) -> None:
    page = visitor.page
    visitor.opens("/sign-up", "Sign up")
    page.get_by_label("E-mail").fill(f"{username}@example.org")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="Your home is still empty")).to_be_visible()


def shown_colours(page: Page) -> list[str]:
    """The colours of a post's three pictures, in order."""
    found = []
    pictures = page.get_by_role("article").locator("picture img")
    # Others begin when the first has arrived.
    expect(pictures).to_have_count(3)
    for picture in pictures.all():
        content = httpx.get(picture.evaluate("image => image.currentSrc || image.src")).content
        pixels = Image.open(io.BytesIO(content)).convert("RGB").resize((1, 1)).tobytes()
        shades = dict(zip(COLOURS, pixels, strict=True))
        found.append(max(shades, key=shades.__getitem__))
    return found


def share(visitor: Visitor, pictures: dict[str, Path], caption: str) -> None:
    """Choose the pictures, put the last one first by its buttons, describe it, and post."""
    page = visitor.page
    page.get_by_role("link", name="New post").click()
    page.get_by_label("Choose pictures and videos").set_input_files(list(pictures.values()))
    for place in ("3 of 3", "2 of 3"):
        item = page.get_by_role("listitem").filter(has_text=place).filter(has_text="blue.jpg")
        item.get_by_role("button", name="Move earlier").click()
    first = page.get_by_role("listitem").filter(has_text="1 of 3")
    expect(first).to_contain_text("blue.jpg")
    first.get_by_label("What does it show?").fill("All blue.")
    page.get_by_label("Caption").fill(caption)
    page.get_by_role("button", name="Share").click()
    expect(page).to_have_url(re.compile("/$"))


def test_the_five_use_cases(
    visitor: Callable[..., Visitor], unique: Callable[[str], str], pictures: dict[str, Path]
) -> None:
    ada, bea = unique("ada"), unique("bea")
    author, reader = visitor(), visitor()
    sign_up(author, ada)
    sign_up(reader, bea)
    share(author, pictures, "Low tide.")
    mine = author.page.get_by_role("article")
    # It is published when its files are ready.
    expect(mine).to_contain_text("Low tide.")

    # The other one finds her by a search, and follows her.
    page = reader.page
    page.get_by_role("link", name="Find people").click()
    page.get_by_label("Search people").fill(ada)
    found = page.get_by_role("listitem").filter(has_text=ada)
    found.get_by_role("link").click()
    page.get_by_role("button", name="Follow", exact=True).click()
    expect(page.get_by_text("1 follower", exact=True)).to_be_visible()

    # Her post is at home, with its pictures in order.
    page.get_by_role("link", name="Home").click()
    post = page.get_by_role("article", name=f"Post by {ada}")
    expect(post).to_contain_text("Low tide.")
    assert shown_colours(page) == ["blue", "red", "green"]
    expect(post.get_by_role("img", name="All blue.")).to_be_attached()

    # Like, comment, reply.
    post.get_by_role("button", name="Like").click()
    expect(post).to_contain_text("1 like")
    post.get_by_label("Add a comment").fill("Nobody else was up.")
    post.get_by_role("button", name="Post", exact=True).click()
    expect(post).to_contain_text(f"{bea} Nobody else was up.")
    post.get_by_role("link", name="Comment", exact=True).click()
    comment = page.get_by_role("listitem").filter(has_text="Nobody else was up.").first
    comment.get_by_role("button", name="Reply").click()
    comment.get_by_label(f"Reply to {bea}").fill("But the gulls.")
    comment.get_by_label(f"Reply to {bea}").press("Enter")
    expect(comment).to_contain_text("But the gulls.")
    # It was shown before it has arrived.
    waits_until_stored(page, 0)

    # The author sees all of it.
    author.opens("/")
    expect(mine).to_contain_text("1 like")
    expect(mine).to_contain_text("Nobody else was up.")
    expect(mine).to_contain_text("But the gulls.")

    # She deletes the post, and it is gone for both.
    author.page.on("dialog", lambda dialog: dialog.accept())
    mine.get_by_role("button", name="Options").click()
    author.page.get_by_role("button", name="Delete").click()
    expect(mine).to_have_count(0)
    address = page.url
    reader.opens("/")
    expect(page.get_by_role("heading", name="Your home is still empty")).to_be_visible()
    reader.opens(address, "There is nothing here")
