"""A reader whose network comes and goes, and what the browser has stored for that."""

import re
from typing import Any

from playwright.sync_api import Locator, Page

from tests.support.client import Person, wait_until
from tests.web.browsing import PATIENCE, Visitor

COMMENTS = re.compile(r"/api/v1/posts/\d+/comments$")
LIKE = re.compile(r"/api/v1/posts/\d+/like$")
OFFLINE = "You are offline"
UNSENT = "not sent yet"


def stored_rows(page: Page) -> dict[str, list[Any]]:
    """All rows of the client's database, by table; none if there is no database."""
    rows: dict[str, list[Any]] = page.evaluate(
        """async () => {
            const done = (asked) => new Promise((resolve, reject) => {
                asked.onsuccess = () => resolve(asked.result);
                asked.onerror = () => reject(asked.error);
            });
            const tables = {};
            for (const { name } of await indexedDB.databases()) {
                const database = await done(indexedDB.open(name));
                for (const table of database.objectStoreNames) {
                    const work = database.transaction(table);
                    tables[table] = await done(work.objectStore(table).getAll());
                }
                database.close();
            }
            return tables;
        }"""
    )
    return rows


def cached_files(page: Page) -> dict[str, str]:
    """All that the service worker has stored: texts, by their paths."""
    files: dict[str, str] = page.evaluate(
        """async () => {
            const files = {};
            for (const name of await caches.keys()) {
                const cache = await caches.open(name);
                for (const request of await cache.keys()) {
                    const answer = await cache.match(request);
                    files[new URL(request.url).pathname] = await answer.text();
                }
            }
            return files;
        }"""
    )
    return files


def goes_offline(reader: Visitor) -> None:
    reader.page.context.set_offline(True)


def is_back(reader: Visitor) -> None:
    reader.page.context.set_offline(False)


def article(page: Page) -> Locator:
    return page.get_by_role("article")


def comment(page: Page, text: str) -> None:
    field = article(page).get_by_label("Add a comment")
    field.fill(text)
    field.press("Enter")


def like(page: Page) -> Locator:
    return article(page).get_by_role("button", name="Like")


def comments(person: Person, post: Any) -> list[tuple[str, str]]:
    """Who wrote what about a post, oldest first."""
    page = person.get(f"/posts/{post['id']}/comments", order="oldest")
    return [(one["author"]["username"], one["text"]) for one in page["results"]]


def likes(person: Person, post: Any) -> int:
    """How many like a post."""
    number: int = person.get(f"/posts/{post['id']}")["counts"]["likes"]
    return number


def waits_until_stored(page: Page, number: int) -> None:
    """Wait until so many actions are in the queue."""
    wait_until(lambda: len(stored_rows(page)["actions"]) == number, PATIENCE / 1000)
