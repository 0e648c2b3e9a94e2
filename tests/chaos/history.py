"""The writes and reads of a load. Times are this process's `time.monotonic`."""

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
    """What the client knows about its write at the end."""

    ACKNOWLEDGED = "acknowledged"
    # A 4xx: the service says that it did nothing.
    REFUSED = "refused"
    # A 5xx, or no answer: executed once or not at all.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Write:
    """One write of one person. The writes of a person do not overlap.

    `mark` is the unique text of the written row. `subject` is the post that is deleted, commented
    on or liked. `id` is that of the new row, if an answer named it. `status` is that of the last
    answer, 0 when the connection broke. `seen`: whether the writer's next read showed the write;
    None: not read, or not answered. `attempts`: how often it was sent.
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
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Read:
    """One GET. `status` is 0 when the connection broke or the client timed out.

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
    """All writes and reads of one run. Threads only append."""

    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    # Whether writers who then were quiet for some seconds saw their write after that.
    later: list[bool | None] = field(default_factory=list)

    def of(self, *kinds: Kind) -> list[Write]:
        """The writes of these kinds, or of all, in the order of their end."""
        return [write for write in self.writes if not kinds or write.kind in kinds]

    def described(self) -> str:
        """The numbers of writes and reads by status, as text."""
        answers = Counter(
            [f"{write.kind} {write.status}" for write in self.writes]
            + [f"read {read.status}" for read in self.reads]
        )
        return ", ".join(f"{number} {answer}" for answer, number in sorted(answers.items()))

    def acknowledged(self, *kinds: Kind) -> list[Write]:
        """The acknowledged writes of these kinds, or of all."""
        return [write for write in self.of(*kinds) if write.outcome == Outcome.ACKNOWLEDGED]


@dataclass(frozen=True)
class Rows:
    """The rows on the primaries at the end.

    Captions by post, texts by comment, (user, post) of each like, display names by user.
    """

    posts: dict[int, str] = field(default_factory=dict)
    comments: dict[int, str] = field(default_factory=dict)
    likes: frozenset[tuple[int, int]] = frozenset()
    names: dict[int, str] = field(default_factory=dict)


def maybe_deleted(writes: Iterable[Write]) -> set[int]:
    """The posts with an attempt to delete them that was not refused."""
    return {
        write.subject
        for write in writes
        if write.kind == Kind.DELETE and write.outcome != Outcome.REFUSED and write.subject
    }
