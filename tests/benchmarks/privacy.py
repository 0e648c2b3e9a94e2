"""What blocks, mutes and private accounts cost a home read, and whether a blocked person can tell
from times.

Whether times differ is judged by the Mann-Whitney U test: it compares ranks, so that a few slow
answers decide nothing. Its probability (p) is how often a difference as large as the measured one
comes by chance if there is none.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from math import erfc, sqrt
from statistics import median

from comments.services import add_comment
from media import storage
from media.addresses import signed_address
from media.models import Media
from posts.services import refresh_records
from tests.benchmarks.figures import Figure
from tests.benchmarks.population import add_accounts, add_posts, warm
from tests.benchmarks.requests import Bench
from tests.benchmarks.servers import WARM, compare
from tests.benchmarks.wire import Connection, request
from usergraph.models import Block, Follow, Mute
from usergraph.services import block_user
from usergraph.store import HIDDEN
from users.models import User
from users.services import refresh_documents

BLOCKED = MUTED = 1000
SIGNED = 1000
_KEY = "withheld/media/q0Rk3lTnT7mXv2pQe9sYzg/full.jpg"
ASKED = 2000  # requests of a blocked person, half of them for what does not exist
LEAST_P = 0.01  # there are three kinds of requests: by chance, one run of 33 has a lesser p


def privacy(bench: Bench) -> Iterator[Figure]:
    """A home read with many blocks and mutes against one with none; then answers to the blocked."""
    people = bench.population
    plain, private, blocked, blocker = add_accounts("private_", 4)
    page = people.page
    others = add_accounts("hidden_", BLOCKED + MUTED)
    Block.objects.bulk_create(
        [Block(blocker_id=private, blocked_id=other) for other in others[:BLOCKED]]
    )
    Mute.objects.bulk_create([Mute(muter_id=private, muted_id=other) for other in others[BLOCKED:]])
    HIDDEN.refresh([private])
    warm([plain, private], [(id_, people.followed[0]) for id_ in page])
    reads = [bench.home(reader, page) for reader in (private, plain)]
    compared = compare(*reads, times=bench.times)
    yield Figure(
        f"home read with {BLOCKED:,} blocked and {MUTED:,} muted",
        compared.value,
        "us CPU",
        compared.n,
        reference=compared.reference,
        reference_name="with none",
        ratio=compared.ratio,
        at_most=1.15,
    )
    yield from _private_posts(bench)
    yield from _told_by_time(bench, blocked=blocked, blocker=blocker)


def _private_posts(bench: Bench) -> Iterator[Figure]:
    """A page of posts of a private account, whose pictures have signed addresses."""
    closed, open_, fan, reader = add_accounts("closed_", 4)
    pages = [bench.population.page_by([author]) for author in (closed, open_)]
    User.objects.filter(pk=closed).update(is_private=True)
    Media.objects.filter(owner_id=closed).update(place=Media.Place.WITHHELD)
    # Likes and comments have cached them as they were.
    refresh_documents(user_ids=[closed])
    refresh_records(post_ids=pages[0])
    for follower, author, page in zip((fan, reader), (closed, open_), pages, strict=True):
        Follow.objects.create(follower_id=follower, followee_id=author)
        warm([follower], [(post_id, author) for post_id in page])
    with Connection(bench.layout.port("caddy")) as connection:
        message = request("GET", "/api/v1/timeline/home", token=bench.population.token(fan))
        signed = connection.ask(message).body.count(b"X-Amz-Signature")
    compared = compare(bench.home(fan, pages[0]), bench.home(reader, pages[1]), times=bench.times)
    yield Figure(
        "home read of 20 posts of a private account",
        compared.value,
        "us CPU",
        compared.n,
        reference=compared.reference,
        reference_name="of a public one",
        ratio=compared.ratio,
        at_most=2.0,
        note=f"with {signed} signed addresses",
    )
    client, bucket = storage.client_and_bucket("signatures")
    wanted = {"Bucket": bucket, "Key": _KEY}
    ours = _each(lambda: signed_address(_KEY))
    boto3 = _each(lambda: client.generate_presigned_url("get_object", wanted))
    yield Figure(
        "an address is signed",
        ours,
        "us CPU",
        SIGNED,
        reference=boto3,
        reference_name="by boto3",
        ratio=ours / boto3,
        at_most=0.2,
    )


def _each(sign: Callable[[], str]) -> float:
    """The microseconds of CPU of one call."""
    sign()
    began = time.process_time()
    for _ in range(SIGNED):
        sign()
    return (time.process_time() - began) / SIGNED * 1e6


def _told_by_time(bench: Bench, *, blocked: int, blocker: int) -> Iterator[Figure]:
    (post_id,) = add_posts([blocker], 1)
    comment_id = add_comment(post_id=post_id, author_id=blocker, text="Mine.")
    name = User.objects.values_list("username", flat=True).get(pk=blocker)
    block_user(blocker_id=blocker, blocked_id=blocked)
    absent = name[:-1] + "_"
    for what, hidden, missing in (
        ("a profile", f"/users/{name}", f"/users/{absent}"),
        ("a post", f"/posts/{post_id}", f"/posts/{post_id + 1}"),
        ("a comment", f"/comments/{comment_id}", f"/comments/{comment_id + 1}"),
    ):
        times = _answer_times(bench, bench.population.token(blocked), (hidden, missing))
        differ = median(times[0]) - median(times[1])
        yield Figure(
            f"p that {what} is hidden by a block, by the time of the answer",
            _chance(*times),
            "",
            2 * len(times[0]),
            at_least=LEAST_P,
            note=f"through the web server; medians differ by {differ:+.1f} us, "
            f"of {median(times[1]):.0f}",
        )


def _answer_times(bench: Bench, token: str, paths: tuple[str, str]) -> tuple[list[float], ...]:
    """The microseconds of each answer, of both paths, asked by turns."""
    messages = [request("GET", f"/api/v1{path}", token=token) for path in paths]
    times: tuple[list[float], ...] = ([], [])
    with Connection(bench.layout.port("caddy")) as connection:
        for number in range(WARM + ASKED):
            which = number % 2
            began = time.perf_counter()
            answer = connection.ask(messages[which])
            took = time.perf_counter() - began
            assert answer.status == 404, answer.body
            if number >= WARM:
                times[which].append(took * 1e6)
    return times


def _chance(one: Sequence[float], other: Sequence[float]) -> float:
    """The two-sided p of the Mann-Whitney U test, by its normal approximation.

    No ties: times have a resolution of nanoseconds. H. B. Mann, D. R. Whitney, Annals of
    Mathematical Statistics 18 (1947).
    """
    ranked = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    ranks = sum(rank for rank, (_, which) in enumerate(ranked, start=1) if which == 0)
    n, m = len(one), len(other)
    u = ranks - n * (n + 1) / 2
    z = (u - n * m / 2) / sqrt(n * m * (n + m + 1) / 12)
    return erfc(abs(z) / sqrt(2))
