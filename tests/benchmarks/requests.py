"""The web worker's CPU per request, against a view that does nothing under the same gunicorn."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle

import psutil

from devstack.layout import Layout
from devstack.lifecycle import Stack
from tests.benchmarks.bare import HELLO
from tests.benchmarks.figures import Figure
from tests.benchmarks.population import Population, add_accounts
from tests.benchmarks.servers import Check, Server, Subject, compare, is_ok
from tests.benchmarks.wire import Answer, Connection, request
from users.models import User

HOME = "/api/v1/timeline/home"
PAGE = 20
BARE_DJANGO, BARE_DRF = "bare Django view", "bare DRF view"


@dataclass(frozen=True)
class Bench:
    """The servers to measure, the population, and how many measurements to make."""

    bare: Server
    read_api: Server
    write_api: Server
    cache: psutil.Process
    stack: Stack
    population: Population
    rounds: int
    times: int
    is_quick: bool

    @property
    def layout(self) -> Layout:
        return self.stack.layout

    @property
    def bare_django(self) -> Subject:
        return Subject(self.bare, [request("GET", "/django")], _says_hello)

    @property
    def bare_drf(self) -> Subject:
        return Subject(self.bare, [request("GET", "/drf")], _says_hello)

    def home(self, user_id: int, post_ids: list[int]) -> Subject:
        """The first page of a home timeline, which must show exactly these posts."""
        message = request("GET", HOME, token=self.population.token(user_id))
        return Subject(self.read_api, [message], shows(post_ids))

    def figure(
        self,
        name: str,
        subject: Subject,
        *,
        at_most: float,
        reference: str = BARE_DRF,
        times: int | None = None,
        note: str = "",
    ) -> Figure:
        """The subject's cost against one of the bare views, as a figure."""
        bare = self.bare_django if reference == BARE_DJANGO else self.bare_drf
        compared = compare(subject, bare, times=times or self.times)
        return Figure(
            name,
            compared.value,
            "us CPU",
            compared.n,
            reference=compared.reference,
            reference_name=reference,
            ratio=compared.ratio,
            at_most=at_most,
            note=note,
        )


def _says_hello(answer: Answer) -> None:
    assert answer.status == 200
    assert answer.json() == HELLO


def shows(post_ids: list[int]) -> Check:
    """A check that a page shows exactly these posts, with pictures, counts, previews and people."""
    ids = [str(id_) for id_ in post_ids[:PAGE]]
    seen: dict[bytes, bool] = {}

    def check(answer: Answer) -> None:
        assert answer.status == 200, (answer.head, answer.body[:500])
        assert b"RateLimit-Remaining" in answer.head
        if answer.body in seen:  # to parse each body would take longer than the request
            return
        results = answer.json()["results"]
        assert [post["id"] for post in results] == ids
        for post in results:
            assert post["media"]
            assert post["counts"]["likes"] >= len(post["recent_likes"]) == 3
            assert post["counts"]["comments"] >= len(post["recent_comments"]) == 2
            assert post["author"]["username"]
            assert all(comment["author"]["username"] for comment in post["recent_comments"])
        seen[answer.body] = True

    return check


def reads(bench: Bench) -> Iterator[Figure]:
    """The warm reads of the five use cases."""
    people = bench.population
    post_ids = people.page
    yield bench.figure(
        "home timeline, 20 posts",
        bench.home(people.few, post_ids),
        at_most=5,
        reference=BARE_DJANGO,
        note="with counts, previews, people, JWT, rate limit",
    )
    token = people.token(people.few)
    author_id = people.followed[0]
    username = User.objects.values_list("username", flat=True).get(pk=author_id)

    def get(path: str, check: Callable[[Answer], object], **headers: str) -> Subject:
        message = request("GET", f"/api/v1{path}", token=token, headers=headers)
        return Subject(bench.read_api, [message], check)

    def has_results(answer: Answer) -> None:
        assert answer.status == 200, answer.body[:500]
        assert answer.body.startswith(b'{"results":[{"id":"') or answer.json()["results"]

    yield bench.figure(
        "profile timeline", get(f"/users/{username}/timeline", has_results), at_most=5
    )
    yield bench.figure("post", get(f"/posts/{post_ids[0]}", is_ok()), at_most=5)
    comments = get(f"/posts/{post_ids[0]}/comments", has_results)
    yield bench.figure("comments page", comments, at_most=5)
    with Connection(bench.read_api.port) as connection:
        etag = connection.ask(bench.home(people.few, post_ids).messages[0]).etag
    unchanged = get("/timeline/home", is_ok(304), **{"If-None-Match": etag})
    yield bench.figure("304 on an unchanged first page", unchanged, at_most=2)


def writes(bench: Bench) -> Iterator[Figure]:
    """Likes and follows, each undone by the next request, and comments."""
    people = bench.population
    token = people.token(people.many)
    posts = people.page
    times = bench.times // 2
    strangers = add_accounts("stranger_", 50)
    names = list(User.objects.filter(pk__in=strangers).values_list("username", flat=True))

    def by_turns(path: str, subjects: list[object]) -> Subject:
        """A PUT and a DELETE per subject."""
        messages = [
            request(method, f"/api/v1{path.format(subject)}", token=token)
            for subject in subjects
            for method in ("PUT", "DELETE")
        ]
        return Subject(bench.write_api, messages, is_ok(200))

    yield bench.figure(
        "like, or take it back", by_turns("/posts/{}/like", [*posts]), at_most=12, times=times
    )
    yield bench.figure(
        "follow, or unfollow", by_turns("/users/{}/follow", [*names]), at_most=12, times=times
    )
    texts = cycle(["Where is it?", "What a light!"])
    messages = [
        request(
            "POST", f"/api/v1/posts/{post_id}/comments", token=token, body={"text": next(texts)}
        )
        for post_id in posts
    ]
    comment = Subject(bench.write_api, messages, is_ok(201))
    yield bench.figure("comment", comment, at_most=12, times=times)
