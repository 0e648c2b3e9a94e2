"""The people of a drill: some publish, and do a little of everything else; others read."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import ceil

from django.conf import settings

from tests.chaos.behaviours import mixed, reads_home, visiting
from tests.chaos.client import Member
from tests.chaos.history import History
from tests.chaos.load import Behaviour, Running, load
from tests.chaos.outcome import posts_figures, warm
from tests.chaos.report import Figure
from tests.chaos.scenario import Run

FOLLOWS = 4
# How full a home timeline is when all have published all their pictures. The check at the end wants
# timelines that are not cut (`checked` in tests/chaos/outcome.py).
SHARE_OF_CAP = 0.75
READING = visiting(0)
# A post without an answer is sent again each second until it has one.
RETRIES = 120


@dataclass(frozen=True)
class Crowd:
    """The people, and what they have done. The home timelines of `warm` are warm."""

    run: Run
    writers: list[Member]
    visitors: list[Member]
    warm: list[Member]
    history: History = field(default_factory=History)

    @staticmethod
    def of(run: Run, *, posts: int, is_warm: Callable[[Member], bool] = reads_home) -> "Crowd":
        """Make people who can publish so many posts."""
        each = int(SHARE_OF_CAP * settings.TIMELINE_CAP / (FOLLOWS + 1))
        writers = run.world.people(ceil(posts / each), follows=FOLLOWS, media=each)
        warmed = [member for member in writers if is_warm(member)]
        warm(run, warmed)
        return Crowd(run, writers, run.inhabitants(12, follows=4), warmed)

    @contextmanager
    def at_work(
        self,
        write: Behaviour = mixed,
        *,
        visit: Behaviour = READING,
        writing: int = 4,
        reading: int = 2,
    ) -> Iterator[Running]:
        """Let the writers `write` and the visitors `visit` in the block.

        `writing`, `reading`: the numbers of their threads.
        """
        run, origin = self.run, self.run.world.origin
        with ExitStack() as ending:
            ending.enter_context(
                load(
                    *(origin, self.visitors, visit),
                    threads=reading,
                    seed=run.seed,
                    history=self.history,
                )
            )
            yield ending.enter_context(
                load(
                    *(origin, self.writers, write),
                    threads=writing,
                    seed=run.seed,
                    history=self.history,
                    retries=RETRIES,
                )
            )

    def figures(self, notes: str = "") -> list[Figure]:
        """What became of the posts and writes, when all is delivered."""
        drained = self.run.world.drain()
        ids = {post_id for member in self.writers for post_id in member.posts}
        slowest = self.run.world.slowest_delivery(ids)
        notes = f"the slowest was delivered after {slowest:.1f} s{notes and '; '}{notes}"
        return posts_figures(
            *(self.run, self.writers, self.history),
            follows=FOLLOWS,
            notes=f"drained after {drained:.0f} s; {notes}",
        )
