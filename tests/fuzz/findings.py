"""What the fuzzer has found: each broken rule of each operation, with a request that shows it."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Findings:
    """Counts requests, by operation and status, and failures, by rule and operation."""

    requests: Counter[str] = field(default_factory=Counter)
    succeeded: Counter[str] = field(default_factory=Counter)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)

    def note_answer(self, operation: str, status: int) -> None:
        """Count a request and its answer."""
        self.requests[operation] += 1
        if status < 400:
            self.succeeded[operation] += 1

    def note_failure(self, rule: str, operation: str, example: str) -> None:
        """Count a failure; the first example of each is kept."""
        self.failures[rule, operation] += 1
        self.examples.setdefault((rule, operation), example)

    def report(self) -> str:
        """The failures, each with an example, and the totals."""
        blocks = [
            f"{rule}: {operation} ({self.failures[rule, operation]} times)\n{example}"
            for (rule, operation), example in self.examples.items()
        ]
        blocks.append(
            f"{self.requests.total():,} requests to {len(self.requests)} operations, "
            f"{self.succeeded.total():,} succeeded; {self.failures.total():,} broke a rule."
        )
        return "\n\n".join(blocks)
