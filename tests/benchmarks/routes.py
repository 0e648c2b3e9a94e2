"""The kinds of requests whose costs are measured, each with the calls that are made in turn.

All go through the web server, and ask for compressed answers, as browsers do. Writes concern posts
and people that no measured page shows, so a page that has not changed stays so.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle, islice, product
from typing import Any

import orjson
from django.test import Client

from media.models import Media
from tests.benchmarks.population import Population, add_accounts
from tests.benchmarks.requests import HOME
from tests.benchmarks.wire import Connection, request
from tests.support.costs import Costs, counted
from timeline.services import drop_home_timelines
from usergraph.services import import_follows
from users.models import User
from users.services import issue_tokens

API = "/api/v1"
COMPRESSED = {"Accept-Encoding": "zstd, gzip"}
# So many people read and write. Each follows the authors of the pages.
READERS, WRITERS, STRANGERS = 40, 40, 50
_numbers = count()


@dataclass(frozen=True)
class Call:
    """A request before it is bytes."""

    method: str
    path: str
    token: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def message(self) -> bytes:
        key = {"Idempotency-Key": str(uuid.uuid4())} if self.body else {}
        headers = {**COMPRESSED, **key, **self.headers}
        return request(self.method, self.path, token=self.token, body=self.body, headers=headers)

    def costs(self, client: Client) -> Costs:
        """Send it to the application in this process, and count what it asks of the stores."""
        with counted() as costs:
            client.generic(
                self.method,
                self.path,
                orjson.dumps(self.body) if self.body else b"",
                content_type="application/json",
                headers={"authorization": f"Bearer {self.token}", **self.headers},
            )
        return costs


@dataclass(frozen=True)
class Route:
    """A kind of request. `before_turn`: called before each turn, outside of what is measured."""

    name: str
    calls: Sequence[Call]
    status: int = 200
    before_turn: Callable[[], object] | None = None

    def messages(self, number: int | None = None) -> list[bytes]:
        """So many messages, of all calls in turn; by default one of each."""
        wanted = len(self.calls) if number is None else number
        return [call.message() for call in islice(cycle(self.calls), wanted)]

    @property
    def is_read(self) -> bool:
        return self.calls[0].method == "GET"


class People:
    """Readers, who follow the authors of some posts; writers; strangers, whom no reader follows."""

    def __init__(self, population: Population, port: int) -> None:
        self.population, self.port = population, port
        number = next(_numbers)
        authors = population.followed[: population.FEW]
        self.shown = [*population.page_by(authors), *population.page_by(authors)]
        self.readers = add_accounts(f"capacity_reader_{number}_", READERS)
        self.strangers = add_accounts(f"capacity_stranger_{number}_", STRANGERS)
        self.others = [*population.page_by(self.strangers), *population.page_by(self.strangers)]
        list(import_follows(edges=[(one, other) for one in self.readers for other in authors]))
        drop_home_timelines(user_ids=self.readers)
        names = dict(User.objects.values_list("pk", "username"))
        self.authors = [f"{API}/users/{names[id_]}" for id_ in authors]
        self.unknown = [f"{API}/users/{names[id_]}" for id_ in self.strangers]
        self.tokens = [_logged_in(id_) for id_ in self.readers]
        writers = add_accounts(f"capacity_writer_{number}_", WRITERS)
        self.writers = [_logged_in(id_) for id_ in writers]

    def reads(self) -> Iterator[Route]:
        """The reads. All are warm after the first of each, except `home-cold`."""
        homes = [Call("GET", HOME, token) for token in self.tokens]
        with Connection(self.port) as connection:
            firsts = [connection.ask(request("GET", HOME, token=one.token)) for one in homes]
        seen = list(zip(self.tokens, firsts, strict=True))
        posts = [f"{API}/posts/{id_}" for id_ in self.shown]
        yield Route("home", homes)
        yield Route(
            "home-next",
            [Call("GET", _path(answer.json()["next"]), token) for token, answer in seen],
        )
        yield Route(
            "home-unchanged",
            [
                Call("GET", HOME, token, headers={"If-None-Match": answer.etag})
                for token, answer in seen
            ],
            status=304,
        )
        yield Route("home-cold", homes, before_turn=self._cool)
        for name, paths in {
            "profile-timeline": [f"{author}/timeline" for author in self.authors],
            "profile": self.authors,
            "post": posts,
            "comments": [f"{post}/comments" for post in posts],
            "likers": [f"{post}/likes" for post in posts],
        }.items():
            pairs = zip(paths, self.tokens, strict=False)
            yield Route(name, [Call("GET", path, token) for path, token in pairs])

    def writes(self, *, posts: int) -> Iterator[Route]:
        """The writes. Each call is a new one: nobody has liked or followed that before.

        `posts`: so many calls publish one, by people whom nobody follows before the last route.
        """
        others = [f"{API}/posts/{id_}" for id_ in self.others]
        by_post = [(token, post) for post, token in product(others, self.writers)]
        yield Route("like", [Call("PUT", f"{post}/like", token) for token, post in by_post])
        yield Route(
            "comment",
            [
                Call("POST", f"{post}/comments", token, {"text": "What a light! Where is it?"})
                for token, post in by_post
            ],
            status=201,
        )
        yield self.publications(self.strangers, posts)
        by_name = product(self.unknown, self.writers)
        yield Route("follow", [Call("PUT", f"{name}/follow", token) for name, token in by_name])

    def publications(self, authors: Sequence[int], posts: int) -> Route:
        """Publish so many posts, by these people in turn, of a picture each."""
        tokens = {id_: self.population.token(id_) for id_ in authors}
        unused = Media.objects.filter(owner_id__in=authors, used_as="")
        Media.objects.bulk_create(
            Media(
                owner_id=owner,
                width=1080,
                height=1350,
                has_webp=True,
                byte_size=250_000,
                blurhash="LEHV6nWB2yk8pyo0adR*.7kCMdnj",
                storage_prefix=f"public/media/capacity-{owner}-{number}",
            )
            for number, owner in zip(range(posts), cycle(authors), strict=False)
        )
        pictures = unused.order_by("pk").values_list("owner_id", "pk")
        calls = [
            Call(
                "POST",
                f"{API}/posts",
                tokens[owner],
                {"caption": "On the beach at low tide.", "media": [str(pk)]},
            )
            for owner, pk in pictures
        ]
        return Route("publish", calls, status=201)

    def _cool(self) -> None:
        drop_home_timelines(user_ids=self.readers)


def _logged_in(user_id: int) -> str:
    """The access token of a session like that of a log-in."""
    access_token, _ = issue_tokens(user_id=user_id, device="A phone of the benchmark, version 1.0")
    return access_token


def _path(url: str) -> str:
    """The path and query of an address."""
    return url[url.index(API) :]
