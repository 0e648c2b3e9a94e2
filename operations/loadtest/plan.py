"""What the command tells locust (`Plan`), and what locust tells the command (`Progress`, `Result`).

Both are JSON. The files are in a folder that the two processes share.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

# The environment variable that names the folder.
FOLDER = "LOADTEST_FOLDER"
PICTURE = "picture.jpg"
_PLAN, _RESULT = "plan.json", "result.json"

HOME, NEXT_HOME = "home", "home, next page"
PROFILE_TIMELINE, NEXT_PROFILE_TIMELINE = "profile timeline", "profile timeline, next page"
POST, COMMENTS, LIKERS, PROFILE = "post", "comments", "likers", "profile"
LIKE, UNLIKE, COMMENT, FOLLOW, UNFOLLOW = "like", "unlike", "comment", "follow", "unfollow"
UPLOAD, NEW_POST = "upload", "new post"
REFRESH = "token refresh"
READS = (
    *(HOME, NEXT_HOME, POST, COMMENTS, LIKERS, PROFILE),
    *(PROFILE_TIMELINE, NEXT_PROFILE_TIMELINE),
)
WRITES = (LIKE, UNLIKE, COMMENT, FOLLOW, UNFOLLOW, UPLOAD, NEW_POST)
KINDS = (*READS, *WRITES, REFRESH)


@dataclass(frozen=True)
class Person:
    """A person of the load, whom they follow, and their session."""

    username: str
    followed: list[str]
    access_token: str
    refresh_token: str


@dataclass(frozen=True)
class Plan:
    """What locust needs to know. `people` and `posts` (their ids) begin with the most popular."""

    people: list[Person]
    posts: list[str]
    think_seconds: float
    reads_per_write: float
    exponent: float
    seed: int
    # When the access tokens were made, in Unix time, and for how long one is valid.
    tokens_made_at: float
    token_seconds: float

    def write(self, folder: Path) -> None:
        """Store the plan in a folder."""
        (folder / _PLAN).write_bytes(orjson.dumps(self))

    @classmethod
    def read(cls, folder: Path) -> "Plan":
        """The plan in a folder."""
        stored = orjson.loads((folder / _PLAN).read_bytes())
        people = [Person(**person) for person in stored["people"]]
        return cls(**stored | {"people": people})


@dataclass(frozen=True)
class Progress:
    """The state of a run. `per_second`: requests, in the last seconds."""

    requests: int
    failures: int
    per_second: float


@dataclass(frozen=True)
class Figures:
    """Figures of one kind of request. Percentiles are in milliseconds.

    `mean_bytes`: of the bodies of answers, decompressed; that of a 304 is empty.
    """

    kind: str
    count: int
    failures: int
    per_second: float
    p50: float
    p95: float
    p99: float
    mean_bytes: float


@dataclass(frozen=True)
class Failure:
    """Requests that failed for one reason."""

    kind: str
    reason: str
    count: int


@dataclass(frozen=True)
class Result:
    """The figures of a run: of each kind that was sent, and of all together."""

    seconds: float
    kinds: list[Figures]
    total: Figures
    not_modified: int
    failures: list[Failure]

    def count(self, kinds: Iterable[str]) -> int:
        """How many requests of some kinds there were."""
        wanted = set(kinds)
        return sum(figures.count for figures in self.kinds if figures.kind in wanted)

    def document(self) -> dict[str, Any]:
        """The result as JSON has it, with the numbers of reads and writes."""
        counts = {"reads": self.count(READS), "writes": self.count(WRITES)}
        return asdict(self) | counts

    def write(self, folder: Path) -> None:
        """Store the result in a folder."""
        (folder / _RESULT).write_bytes(orjson.dumps(self))

    @classmethod
    def read(cls, folder: Path) -> "Result":
        """The result in a folder. Raises FileNotFoundError if locust has stored none."""
        stored = orjson.loads((folder / _RESULT).read_bytes())
        return cls(
            seconds=stored["seconds"],
            kinds=[Figures(**figures) for figures in stored["kinds"]],
            total=Figures(**stored["total"]),
            not_modified=stored["not_modified"],
            failures=[Failure(**failure) for failure in stored["failures"]],
        )
