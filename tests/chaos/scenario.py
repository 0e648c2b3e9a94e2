"""A scenario does something to a stack, and returns figures."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.client import Client, Member
from tests.chaos.history import History
from tests.chaos.load import Actor, Running, home_address
from tests.chaos.report import Figure
from tests.chaos.world import Setup, World


@dataclass(frozen=True)
class Run:
    """One run of a scenario: its stack, the seed, and the scale of the full size."""

    world: World
    seed: int
    scale: float

    def scaled(self, full: int, *, at_least: int) -> int:
        """A number times the scale, but at least `at_least`, for the result to mean something."""
        return max(at_least, round(full * self.scale))

    def inhabitants(self, number: int, *, follows: int, posts: int = 2) -> list[Member]:
        """People who have published, commented, and read, so that no home timeline is cold."""
        members = self.world.people(number, follows=follows, media=posts)
        history = History()
        running = Running(history)
        with Client(self.world.origin) as client:
            actor = Actor(client, history, running.stop)
            for member in members:
                for _ in range(posts):
                    actor.publish(member)
                actor.comment(member, member.posts[0])
            self.world.drain()
            for member in members:
                actor.read(member, home_address(member))
        assert all(len(member.posts) == posts for member in members)
        return members


@dataclass(frozen=True)
class Scenario:
    """A named scenario, for a stack with this setup."""

    name: str
    setup: Setup
    summary: str
    play: Callable[[Run], list[Figure]]
