"""The gates that a post passes on its way from its author to a viewer."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django.conf import settings

from core.ids import created_at_of
from core.outbox.models import OutboxEvent
from operations.explain.facts import Facts, is_an_id
from timeline.selectors import Place, Whereabouts


class State(StrEnum):
    """What a gate did to the post."""

    PASSED = "passed"
    FAILED = "failed"
    MOOT = "does not matter"


@dataclass(frozen=True)
class Gate:
    """One gate. `facts`: one or more sentences."""

    name: str
    state: State
    facts: str


def gates_of(facts: Facts) -> list[Gate]:
    """All gates, in the order in which a post passes them."""
    gates = [Gate("post", State.PASSED if facts.exists else State.FAILED, _post(facts))]
    if is_an_id(facts.post_id):
        gates += [_author(facts), _follow(facts), _filters(facts), _way(facts), _delivery(facts)]
        gates.append(Gate("timeline", *_timeline(facts, facts.where.home)))
        if facts.where.profile is not None:
            gates.append(Gate("author's timeline", *_timeline(facts, facts.where.profile)))
        gates.append(_entry(facts))
    return gates


def _post(facts: Facts) -> str:
    if not is_an_id(facts.post_id):
        return "There never was such a post: this is not an id."
    at = created_at_of(facts.post_id)
    if facts.exists:
        return f"Published {_time(at)} by {facts.author_name} ({facts.author_id})."
    if facts.row is not None:
        return f"Deleted. It was published {_time(at)} by {facts.author_name} ({facts.author_id})."
    if at > facts.now:
        return f"There never was such a post: its id is of a future time, {_time(at)}."
    days = settings.OUTBOX_DAYS
    if at > facts.now - timedelta(days=days):
        return f"There never was such a post: the outbox of {_time(at)} has no row of it."
    return (
        f"There is no such post. Its id is of {_time(at)}. Whether it was deleted or never existed "
        f"is not known any more after {days} days."
    )


def _author(facts: Facts) -> Gate:
    if facts.author_id is None:
        return Gate("author", State.MOOT, "The author is not known.")
    if facts.author is None:
        return Gate("author", State.FAILED, f"{facts.author_name} does not exist any more.")
    if facts.is_active:
        return Gate("author", State.PASSED, f"The account of {facts.author_name} is active.")
    hidden = f"The account of {facts.author_name} is deactivated: none of its posts are shown."
    return Gate("author", State.FAILED, hidden)


def _follow(facts: Facts) -> Gate:
    if facts.edge is None:
        return Gate("follow", State.MOOT, "There is nobody to follow.")
    if facts.is_own:
        return Gate("follow", State.PASSED, f"It is {facts.viewer_name}'s own post.")
    changing = ""
    if facts.pending_change is not None:
        changing = (
            f" Outbox event {facts.pending_change.pk} (default) changes this, and is still to be "
            f"delivered{_error(facts.pending_change)}."
        )
    if facts.edge.followed_since is None:
        not_followed = f"{facts.viewer_name} does not follow {facts.author_name}."
        return Gate("follow", State.FAILED, not_followed + changing)
    since = _time(facts.edge.followed_since)
    followed = f"{facts.viewer_name} has followed {facts.author_name} since {since}."
    return Gate("follow", State.PASSED, followed + changing)


def _filters(facts: Facts) -> Gate:
    if facts.edge is None or facts.is_own:
        return Gate("filters", State.MOOT, "There is nobody to leave out.")
    if facts.is_for_others:
        friends = (
            f"It is for close friends of {facts.author_name}, and {facts.viewer_name} is none."
        )
        return Gate("filters", State.FAILED, friends)
    if facts.edge.is_blocked:
        blocked = f"{facts.viewer_name} and {facts.author_name} do not see each other: a block."
        return Gate("filters", State.FAILED, blocked)
    if facts.edge.is_muted:
        muted = f"{facts.viewer_name} mutes {facts.author_name}."
        return Gate("filters", State.FAILED, muted)
    return Gate("filters", State.PASSED, f"{facts.viewer_name} does not mute {facts.author_name}.")


_WAYS = {
    "pushed": "Posts are pushed to the followers",
    "entering": "From now on the followers pull posts; their timelines are being dropped",
    "pulled": "The followers pull posts when they read",
    "leaving": "From now on posts are pushed again; the followers' timelines are being dropped",
}


def _way(facts: Facts) -> Gate:
    if facts.edge is None:
        return Gate("push or pull", State.MOOT, "There is no author.")
    limit = settings.FANOUT_PUSH_LIMIT
    count = _plural(min(facts.followers, limit), "follower")
    more_than = "more than " if facts.followers > limit else ""
    sentence = (
        f"{_WAYS[facts.edge.author_state]}. "
        f"{facts.author_name} has {more_than}{count}, and the limit is {limit}."
    )
    if facts.is_own or not facts.is_followed:
        return Gate("push or pull", State.MOOT, sentence)
    is_pulled = facts.edge.author_state in {"entering", "pulled"}
    home = facts.where.home
    if is_pulled and facts.where.profile is None and home.place is Place.MISSING:
        sentence += " But this timeline was built while posts were pushed, and does not pull."
        return Gate("push or pull", State.FAILED, sentence)
    return Gate("push or pull", State.PASSED, sentence)


def _delivery(facts: Facts) -> Gate:
    row = facts.row
    if row is None:
        days = settings.OUTBOX_DAYS
        none = f"No row in the posts outbox: pruned after {days} days, or the post was imported."
        return Gate("delivery", State.MOOT, none)
    attempts = _plural(row.attempts, "attempt")
    if row.done_at is not None:
        done = f"Outbox event {row.pk} (posts) was done {_time(row.done_at)}, {attempts}."
        return Gate("delivery", State.PASSED, done)
    leased = "nobody delivers it"
    if row.lease_until is not None:
        lapsed = "lapsed" if row.lease_until < facts.now else "leased until"
        leased = f"{lapsed} {_time(row.lease_until)}"
    past = "has passed" if row.cursor >= facts.viewer.user_id else "has not passed"
    sentence = (
        f"Outbox event {row.pk} (posts) is pending, {leased}; {attempts}, the next "
        f"{_time(row.wake_at)}; its cursor, {row.cursor}, {past} {facts.viewer_name} "
        f"({facts.viewer.user_id}){_error(row)}."
    )
    if facts.has_passed:
        return Gate("delivery", State.PASSED, sentence)
    is_awaited = facts.expected and not facts.shown
    return Gate("delivery", State.FAILED if is_awaited else State.MOOT, sentence)


def _timeline(facts: Facts, at: Whereabouts) -> tuple[State, str]:
    if at.place is Place.DOWN:
        return State.MOOT, "CACHE does not answer: timelines are read from SQL."
    if at.place is Place.COLD:
        return State.MOOT, "Cold: the next read builds it from SQL."
    if at.place is Place.BUILDING:
        left = f"for {at.ttl_seconds:.0f} seconds at most"
        return State.MOOT, f"Being built, {left}: meanwhile it is read from SQL."
    end = "cut off at the cap" if at.is_cut else "complete"
    days = at.ttl_seconds / 86_400
    sentence = (
        f"Warm and {end}: length {at.length} (cap {settings.TIMELINE_CAP}), for another "
        f"{days:.1f} days if nobody reads it"
    )
    if at is facts.where.home:
        names = ", ".join(facts.pulled_names) or "nobody"
        more = len(at.pulled) - len(facts.pulled_names)
        others = f" and {more} more" if more > 0 else ""
        sentence += f". Built at graph LSN {at.graph_lsn}; pulls {names}{others}"
    return State.PASSED, f"{sentence}."


def _entry(facts: Facts) -> Gate:
    at, cap = facts.holder, f"cap {settings.TIMELINE_CAP}"
    if at.place is Place.LISTED:
        listed = f"Entry {at.rank} of {at.length} ({cap})."
        if facts.shown:
            return Gate("entry", State.PASSED, listed)
        why = "The next read leaves it out." if not facts.where.is_named or not facts.exists else ""
        return Gate("entry", State.MOOT, f"{listed} {why}".strip())
    if at.place is Place.BELOW:
        below = f"Older than the last of {at.length} entries ({cap}): SQL answers."
        return Gate("entry", State.MOOT, below)
    if at.place is not Place.MISSING:
        return Gate("entry", State.MOOT, "SQL answers.")
    missing = f"Not among the {at.length} entries ({cap})"
    if facts.where.is_named:
        return Gate("entry", State.MOOT, f"{missing}, but for posts of this age SQL answers.")
    return Gate("entry", State.FAILED if facts.expected else State.MOOT, f"{missing}.")


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _error(row: OutboxEvent) -> str:
    return f"; the last error: {row.last_error}" if row.last_error else ""


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
