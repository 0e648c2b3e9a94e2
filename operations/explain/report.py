"""What the gates come to: what should be, what the next read answers, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from core.sql import primary_reads
from operations.explain.facts import Facts, look_up
from operations.explain.gates import Gate, State, gates_of

# In these states of an author the followers' home timelines are being dropped.
_CHANGING = {"entering", "leaving"}


@dataclass(frozen=True)
class Explanation:
    """The gates, in order; what should be, what the next read answers, and what to do about it.

    `cure` is the command that mends a difference between the two; "" where there is none, or
    where it will go by itself.
    """

    gates: list[Gate]
    expected: bool
    shown: bool
    verdict: str
    cure: str = ""


def explain_home(*, viewer_id: int, post_id: int) -> Explanation:
    """Why a post, existing or not, is or is not in a home timeline; raises `NotFound`."""
    with primary_reads():
        facts = look_up(viewer_id=viewer_id, post_id=post_id)
    gates = gates_of(facts)
    verdict, cure = _verdict(facts, gates)
    return Explanation(gates, facts.expected, facts.shown, verdict, cure)


def _verdict(facts: Facts, gates: list[Gate]) -> tuple[str, str]:
    """The last sentences, and the command that mends what is wrong."""
    viewer, post = facts.viewer_name, f"post {facts.post_id}"
    off = "" if facts.viewer.is_active else f" The account of {viewer} is switched off, though."
    failed = next((gate.facts for gate in gates if gate.state is State.FAILED), "")
    if facts.expected and facts.shown:
        return f"{viewer} sees {post}, and should.{off}", ""
    if not facts.expected and not facts.shown:
        return f"{viewer} does not see {post}, and should not: {failed}{off}", ""
    what = f"does not see {post}, and should" if facts.expected else f"sees {post}, and should not"
    if waiting := _still_being_delivered(facts):
        return f"{viewer} {what}, but not for long: {waiting}{off}", ""
    whose = facts.viewer
    if facts.expected and facts.holder is facts.where.profile and facts.author is not None:
        whose = facts.author
    cure = f"manage.py timeline rebuild {whose.username}"
    return f"Something is wrong: {viewer} {what}. Cure: {cure}{off}", cure


def _still_being_delivered(facts: Facts) -> str:
    """What will set right by itself what the next read answers; "" when nothing will."""
    if facts.pending_follow is not None:
        return "a change of whom they follow is still being delivered."
    if facts.expected and facts.edge is not None and facts.edge.author_state in _CHANGING:
        return "the followers' timelines are being dropped."
    if facts.expected and not facts.has_passed:
        return "it is still being delivered."
    return ""
