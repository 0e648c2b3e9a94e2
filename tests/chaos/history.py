"""What the load has done and seen. Times are this process's `time.monotonic`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a write does."""

    POST = "post"
    DELETE = "delete"
    COMMENT = "comment"
    LIKE = "like"
    RENAME = "rename"


class Outcome(StrEnum):
    """What the client knows of its write once it has ended."""

    ACKNOWLEDGED = "acknowledged"
    # Not done, says the service: a 4xx.
    REFUSED = "refused"
    # A 5xx, or no answer: done or not, but never twice.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Write:
    """One write of one person; the writes of a person follow each other.

    `mark` is the text by which its row is recognised: nobody else writes the same. `subject` is
    the post that is deleted, commented on or liked; `id` that of the new row, if an answer named
    it; `status` that of the last answer, 0 when the connection broke. `seen`: whether the writer's
    next read showed it; None when that was not asked or not answered.
    """

    kind: Kind
    person_id: int
    outcome: Outcome
    mark: str = ""
    subject: int | None = None
    id: int | None = None
    seen: bool | None = None
    status: int = 0
    began: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True, slots=True)
class Read:
    """One GET; `status` is 0 when the connection broke or the client's patience ended.

    `what` is the address with N for each number.
    """

    status: int
    began: float
    ended: float
    what: str = ""

    @property
    def is_answered(self) -> bool:
        return self.status == 200


@dataclass
class History:
    """All of one run. Threads append; nobody removes."""

    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    # Whether writes were to be seen some seconds later, by writers who had been quiet meanwhile.
    later: list[bool | None] = field(default_factory=list)

    def of(self, *kinds: Kind) -> list[Write]:
        """The writes of some kinds, or all, in the order in which they ended."""
        return [write for write in self.writes if not kinds or write.kind in kinds]

    def described(self) -> str:
        """How many writes and reads were answered how, for people."""
        answers = Counter(
            [f"{write.kind} {write.status}" for write in self.writes]
            + [f"read {read.status}" for read in self.reads]
        )
        return ", ".join(f"{number} {answer}" for answer, number in sorted(answers.items()))

    def acknowledged(self, *kinds: Kind) -> list[Write]:
        """Those of them that were acknowledged."""
        return [write for write in self.of(*kinds) if write.outcome == Outcome.ACKNOWLEDGED]


@dataclass(frozen=True)
class Rows:
    """What SQL holds at the end, on the primaries.

    Captions by post, texts by comment, (user, post) of each like, display names by user.
    """

    posts: dict[int, str] = field(default_factory=dict)
    comments: dict[int, str] = field(default_factory=dict)
    likes: frozenset[tuple[int, int]] = frozenset()
    names: dict[int, str] = field(default_factory=dict)


def maybe_deleted(writes: Iterable[Write]) -> set[int]:
    """The posts that somebody has tried to delete, unless that was refused."""
    return {
        write.subject
        for write in writes
        if write.kind == Kind.DELETE and write.outcome != Outcome.REFUSED and write.subject
    }
