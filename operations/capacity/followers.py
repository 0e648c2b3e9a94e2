"""How many timelines a post goes into, by a real graph of followers."""

from collections import Counter
from collections.abc import Iterable


class EdgesError(ValueError):
    """A line of a graph is not an edge. The message names the line."""


def mean_pushed(lines: Iterable[str], *, push_limit: int) -> float:
    """The mean number of timelines that a post is pushed to, when all people post as often.

    Each line is an edge `A B`: A and B follow each other. Posts of authors with more followers than
    `push_limit` are not pushed. Raises EdgesError.
    """
    followers: Counter[str] = Counter()
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        nodes = line.split()
        if len(nodes) != 2:
            raise EdgesError(f"line {number}: expected two names `A B`, not {line.strip()!r}")
        if nodes[0] != nodes[1]:
            followers.update(nodes)
    if not followers:
        raise EdgesError("it has no edges")
    return sum(count for count in followers.values() if count <= push_limit) / len(followers)
