"""The conclusion from the gates: what should be, what the next read answers, what to do."""

from dataclasses import dataclass

from core.sql import primary_reads
from operations.explain.facts import Facts, look_up
from operations.explain.gates import Gate, State, gates_of

_CHANGING = {"entering", "leaving"}  # the followers' home timelines are being dropped


@dataclass(frozen=True)
class Explanation:
    """The gates, in order, and the conclusion; see `operations.explain`.

    `cure`: the command that repairs a difference between `expected` and `shown`; "" if there is no
    difference, or it will go by itself.
    """

    gates: list[Gate]
    expected: bool
    shown: bool
    verdict: str
    cure: str = ""


def explain_home(*, viewer_id: int, post_id: int) -> Explanation:
    """Explain why a post, existing or not, is or is not in a home timeline; raises `NotFound`."""
    with primary_reads():
        facts = look_up(viewer_id=viewer_id, post_id=post_id)
    gates = gates_of(facts)
    verdict, cure = _verdict(facts, gates)
    return Explanation(gates, facts.expected, facts.shown, verdict, cure)


def _verdict(facts: Facts, gates: list[Gate]) -> tuple[str, str]:
    """The last sentences, and the cure."""
    viewer, post = facts.viewer_name, f"post {facts.post_id}"
    off = "" if facts.viewer.is_active else f" But the account of {viewer} is deactivated."
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
    """Why a difference will go by itself; "" if it will not."""
    if facts.pending_change is not None:
        return "a follow or a mute, or the end of one, is still being delivered."
    if facts.expected and facts.edge is not None and facts.edge.author_state in _CHANGING:
        return "the followers' timelines are being dropped."
    if facts.expected and not facts.has_passed:
        return "it is still being delivered."
    return ""
