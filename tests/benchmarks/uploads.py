"""The latency of likes while others upload pictures that cost much: refused ones and accepted ones.

The uploads come from a process of its own, which gets only the time that nobody else wants: a real
attacker has another machine. It has started, and has all bytes, before anything is measured.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context
from statistics import median, quantiles

from tests.benchmarks.figures import Figure
from tests.benchmarks.population import add_accounts
from tests.benchmarks.requests import Bench
from tests.benchmarks.wire import request
from tests.chaos.history import Read
from tests.support.http_load import closed_loop_of_held, hold, open_loop, yield_to_all
from tests.support.images import large_jpeg, large_png, padded_jpeg

AT_ONCE = 8
# So many accounts that the limit of uploads by user stops none of them.
MANY_ACCOUNTS = 64
ROUNDS, SECONDS = 3, 20.0
LIKES_PER_SECOND = 20.0
PATIENCE = 30.0
_crowds = count()


def uploads(bench: Bench) -> Iterator[Figure]:
    """Waiting times of likes, idle and under eight uploads at once, in turns, a minute of each.

    They are medians of rounds: the disk of a shared machine may stop all writes for a second.
    """
    for name, pictures, has_target in (
        ("the worst refused file", [padded_jpeg(10_200_000)], True),
        ("pictures of 30 megapixels", [large_jpeg(), large_png()], False),
    ):
        for accounts in (AT_ONCE, MANY_ACCOUNTS):
            yield from _under(bench, name, pictures, accounts=accounts, has_target=has_target)


def _under(
    bench: Bench, name: str, pictures: Sequence[bytes], *, accounts: int, has_target: bool
) -> Iterator[Figure]:
    port = bench.layout.port("caddy")
    likes = likes_of(bench)
    messages = list(uploads_of(bench, pictures, accounts))
    spawn = get_context("spawn")
    idle: list[list[Read]] = []
    busy: list[list[Read]] = []
    answers: Counter[int] = Counter()
    with ProcessPoolExecutor(1, spawn, initializer=hold, initargs=(messages,)) as attacker:
        attacker.submit(yield_to_all).result()
        for _ in range(ROUNDS):
            idle.append(ask(port, likes))
            attack = attacker.submit(
                closed_loop_of_held, port, at_once=AT_ONCE, seconds=SECONDS, patience=PATIENCE
            )
            busy.append(ask(port, likes))
            answers.update(read.status for read in attack.result())
    reads = [read for round_ in busy for read in round_]
    lost = sum(not _is_done(read) for read in reads)
    yield from figures_of_waits(
        f"like during {AT_ONCE} uploads at once of {name} by {accounts:,} accounts",
        busy=busy,
        idle=idle,
        targets={50: 1.1, 99: 1.5} if has_target else {50: None, 99: None},
        note=f"{lost} likes not answered; uploads by status: "
        + ", ".join(f"{number:,} {status}" for status, number in sorted(answers.items())),
    )


def figures_of_waits(
    name: str,
    *,
    busy: Sequence[Sequence[Read]],
    idle: Sequence[Sequence[Read]],
    targets: Mapping[int, float | None],
    note: str = "",
) -> Iterator[Figure]:
    """The medians of rounds, busy beside idle. `targets`: by percentile, the most that the ratio
    may be.
    """
    for percent, at_most in targets.items():
        value, reference = (
            median(_waits(round_)[percent - 1] for round_ in rounds) for rounds in (busy, idle)
        )
        yield Figure(
            f"{name}, p{percent}",
            value,
            "ms",
            sum(map(len, busy)),
            reference=reference,
            reference_name="idle",
            ratio=value / reference,
            at_most=at_most,
            note=note,
        )


def likes_of(bench: Bench) -> list[bytes]:
    """Likes, each taken back by the next request."""
    people = bench.population
    token = people.token(people.many)
    return [
        request(method, f"/api/v1/posts/{post_id}/like", token=token)
        for post_id in people.page
        for method in ("PUT", "DELETE")
    ]


def uploads_of(bench: Bench, pictures: Sequence[bytes], accounts: int) -> Iterator[bytes]:
    """Uploads by so many strangers, each with a picture in turn."""
    for number, user_id in enumerate(add_accounts(f"uploader_{next(_crowds)}_", accounts)):
        picture = pictures[number % len(pictures)]
        boundary = _boundary(picture)
        disposition = 'Content-Disposition: form-data; name="file"; filename="a"'
        start = f"--{boundary}\r\n{disposition}\r\n\r\n".encode()
        form = start + picture + f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(form)),
        }
        token = bench.population.token(user_id)
        yield request("POST", "/api/v1/media", token=token, headers=headers) + form


def _boundary(picture: bytes) -> str:
    """The shortest boundary that is not in a picture: the parser takes the most time with it."""
    lengths = ("x" * length for length in count(1))
    return next(one for one in lengths if f"--{one}".encode() not in picture)


def ask(port: int, messages: Sequence[bytes]) -> list[Read]:
    """Send these requests at LIKES_PER_SECOND for SECONDS."""
    return open_loop(port, messages, rate=LIKES_PER_SECOND, seconds=SECONDS, patience=PATIENCE)


def _is_done(read: Read) -> bool:
    return read.status == 200


def _waits(reads: Sequence[Read]) -> list[float]:
    """The percentiles of the waiting times, in ms; one that is not answered waited for PATIENCE."""
    waits = (read.ended - read.began if _is_done(read) else PATIENCE for read in reads)
    return quantiles((1000 * seconds for seconds in waits), n=100)
