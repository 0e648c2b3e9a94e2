"""Why a post is, or is not, in a viewer's home timeline: gate by gate, for staff.

A gate is what a post passes on its way from its author to the viewer. The gates tell what SQL says
should be (`expected`); what the next read would answer (`shown`) is asked of that read's own code.
Looks only: no timeline is built and none lives longer. All reads go to the primaries. CACHE down:
the reads answer from SQL, and so it is explained.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.utils import timezone

from core.http.problems import NotFound
from core.ids import MAX_ID, created_at_of
from core.sql import primary_reads
from fanout import outbox
from fanout.models import OutboxEvent
from posts import selectors as post_selectors
from timeline.selectors import HomeWhereabouts, Place, Whereabouts, home_whereabouts
from usergraph import selectors as graph_selectors
from usergraph.selectors import Edge
from users import selectors as user_selectors
from users.selectors import Account

# Of the authors that a timeline pulls, so many are named.
MAX_NAMED = 10
# In these states of an author the followers' home timelines are being dropped.
_CHANGING = {"entering", "leaving"}


class State(StrEnum):
    """What a gate did to the post."""

    PASSED = "passed"
    FAILED = "failed"
    MOOT = "does not matter"


@dataclass(frozen=True)
class Gate:
    """One gate: its name, what it did, and a sentence or more with the facts."""

    name: str
    state: State
    facts: str


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


@dataclass(frozen=True)
class _Facts:
    """All that was looked up."""

    viewer: Account
    post_id: int
    exists: bool
    author_id: int | None  # of the post or, when that is gone, by its outbox row
    author: Account | None
    edge: Edge | None
    followers: int  # counted to one more than FANOUT_PUSH_LIMIT
    row: OutboxEvent | None
    pending_follow: OutboxEvent | None
    where: HomeWhereabouts
    pulled_names: list[str]
    now: datetime

    @property
    def is_own(self) -> bool:
        return self.author_id == self.viewer.user_id

    @property
    def is_followed(self) -> bool:
        return self.edge is not None and self.edge.followed_since is not None

    @property
    def is_active(self) -> bool:
        return self.author is not None and self.author.is_active

    @property
    def is_hidden(self) -> bool:
        return self.edge is not None and self.edge.author_is_hidden and not self.is_own

    @property
    def expected(self) -> bool:
        """What SQL says should be."""
        may_see = self.is_own or (self.is_followed and not self.is_hidden)
        return self.exists and self.is_active and may_see

    @property
    def shown(self) -> bool:
        """What the next read answers: a post that it names, if it can still be shown."""
        return self.where.is_named and self.exists and self.is_active

    @property
    def holder(self) -> Whereabouts:
        """The timeline that the next read takes the post from, or would."""
        home, profile = self.where.home, self.where.profile
        return home if profile is None or home.place is Place.LISTED else profile

    @property
    def has_passed(self) -> bool:
        """Whether the delivery is done for this viewer."""
        if self.row is None or self.row.done_at is not None:
            return True
        if self.is_own or self.where.profile is not None:
            return False  # the author's own timelines are seen to anew by each attempt
        return self.row.cursor >= self.viewer.user_id

    @property
    def viewer_name(self) -> str:
        return f"@{self.viewer.username}"

    @property
    def author_name(self) -> str:
        return f"@{self.author.username}" if self.author else f"user {self.author_id}"


def explain_home(*, viewer_id: int, post_id: int) -> Explanation:
    """Why a post, existing or not, is or is not in a home timeline; raises `NotFound`."""
    with primary_reads():
        facts = _look(viewer_id, post_id)
    gates = [_post(facts)]
    if _is_an_id(post_id):
        gates += [_author(facts), _follow(facts), _filters(facts), _way(facts), _delivery(facts)]
        gates.append(Gate("timeline", *_timeline(facts, facts.where.home)))
        if facts.where.profile is not None:
            gates.append(Gate("author's timeline", *_timeline(facts, facts.where.profile)))
        gates.append(_entry(facts))
    verdict, cure = _verdict(facts, gates)
    return Explanation(gates, facts.expected, facts.shown, verdict, cure)


def _is_an_id(number: int) -> bool:
    return 0 < number < MAX_ID


def _look(viewer_id: int, post_id: int) -> _Facts:
    viewer = user_selectors.accounts(user_ids=[viewer_id]).get(viewer_id)
    if viewer is None:
        raise NotFound(f"There is no user {viewer_id}.")
    found, row = None, None
    where = HomeWhereabouts(Whereabouts(Place.MISSING), None, is_named=False)
    if _is_an_id(post_id):
        found = post_selectors.author_of(post_id=post_id)
        row = outbox.publications(post_id=post_id).first()
    author_id = found if found is not None or row is None else int(row.payload["author_id"])
    if _is_an_id(post_id):
        where = home_whereabouts(viewer_id=viewer_id, post_id=post_id, author_id=author_id)
    named = where.home.pulled[:MAX_NAMED]
    accounts = user_selectors.accounts(user_ids=[*named, *([author_id] if author_id else [])])
    edge, followers, pending = None, 0, None
    if author_id is not None:
        edge = graph_selectors.edge(viewer_id=viewer_id, author_id=author_id)
        counted_to = settings.FANOUT_PUSH_LIMIT + 1
        followers = graph_selectors.follower_count(author_id=author_id, at_most=counted_to)
        pending = outbox.pending_follow(follower_id=viewer_id, followee_id=author_id)
    return _Facts(
        viewer=viewer,
        post_id=post_id,
        exists=found is not None,
        author_id=author_id,
        author=accounts.get(author_id) if author_id else None,
        edge=edge,
        followers=followers,
        row=row,
        pending_follow=pending,
        where=where,
        pulled_names=[f"@{accounts[id_].username}" for id_ in named if id_ in accounts],
        now=timezone.now(),
    )


def _post(facts: _Facts) -> Gate:
    return Gate("post", State.PASSED if facts.exists else State.FAILED, _post_facts(facts))


def _post_facts(facts: _Facts) -> str:
    if not _is_an_id(facts.post_id):
        return "There never was such a post: this is not an id."
    at = created_at_of(facts.post_id)
    if facts.exists:
        return f"Published {_time(at)} by {facts.author_name} ({facts.author_id})."
    if facts.row is not None:
        return f"Deleted. It was published {_time(at)} by {facts.author_name} ({facts.author_id})."
    if at > facts.now:
        return f"There never was such a post: its id is of a time to come, {_time(at)}."
    days = settings.FANOUT_OUTBOX_DAYS
    if at > facts.now - timedelta(days=days):
        return f"There never was such a post: no publication is in the outbox of {_time(at)}."
    return (
        f"There is no such post. Its id is of {_time(at)}; whether it was deleted or never was is "
        f"not known any more after {days} days."
    )


def _author(facts: _Facts) -> Gate:
    if facts.author_id is None:
        return Gate("author", State.MOOT, "Not known.")
    if facts.author is None:
        return Gate("author", State.FAILED, f"{facts.author_name} does not exist any more.")
    if facts.is_active:
        return Gate("author", State.PASSED, f"The account of {facts.author_name} is switched on.")
    off = f"The account of {facts.author_name} is switched off: nothing of theirs is shown."
    return Gate("author", State.FAILED, off)


def _follow(facts: _Facts) -> Gate:
    if facts.edge is None:
        return Gate("follow", State.MOOT, "Nobody to follow.")
    if facts.is_own:
        return Gate("follow", State.PASSED, f"It is {facts.viewer_name}'s own post.")
    changing = ""
    if facts.pending_follow is not None:
        changing = (
            f" Outbox event {facts.pending_follow.pk} (default), which tells of a change of this, "
            f"is still to be delivered{_error(facts.pending_follow)}."
        )
    if facts.edge.followed_since is None:
        not_followed = f"{facts.viewer_name} does not follow {facts.author_name}."
        return Gate("follow", State.FAILED, not_followed + changing)
    since = _time(facts.edge.followed_since)
    followed = f"{facts.viewer_name} has followed {facts.author_name} since {since}."
    return Gate("follow", State.PASSED, followed + changing)


def _filters(facts: _Facts) -> Gate:
    if facts.edge is None or facts.is_own:
        return Gate("filters", State.MOOT, "Nobody to hide.")
    hidden = f"{facts.author_name} is hidden from {facts.viewer_name}"
    remembers = facts.author_id in facts.where.home.hidden
    if facts.is_hidden:
        return Gate("filters", State.FAILED, f"{hidden}.")
    if remembers:
        return Gate("filters", State.FAILED, f"{hidden} by what the timeline was built with only.")
    return Gate("filters", State.PASSED, f"Nothing hides {facts.author_name}.")


_WAYS = {
    "pushed": "Posts are pushed to the followers",
    "entering": "Posts begin to be pulled by the followers, whose timelines are being dropped",
    "pulled": "Posts are pulled by the followers when they read",
    "leaving": "Posts begin to be pushed again, and the followers' timelines are being dropped",
}


def _way(facts: _Facts) -> Gate:
    if facts.edge is None:
        return Gate("push or pull", State.MOOT, "Nobody to push or pull.")
    limit = settings.FANOUT_PUSH_LIMIT
    count = f"{facts.followers}" if facts.followers <= limit else f"more than {limit}"
    sentence = (
        f"{_WAYS[facts.edge.author_state]}; of those {facts.author_name} has {count}, and the "
        f"limit is {limit}."
    )
    if facts.is_own or not facts.is_followed:
        return Gate("push or pull", State.MOOT, sentence)
    is_pulled = facts.edge.author_state in {"entering", "pulled"}
    home = facts.where.home
    if is_pulled and facts.where.profile is None and home.place is Place.MISSING:
        sentence += " But this timeline was built to be pushed to, and pulls nothing of theirs."
        return Gate("push or pull", State.FAILED, sentence)
    return Gate("push or pull", State.PASSED, sentence)


def _delivery(facts: _Facts) -> Gate:
    row = facts.row
    if row is None:
        days = settings.FANOUT_OUTBOX_DAYS
        none = f"No row in the posts outbox: pruned, {days} days after it was done, or imported."
        return Gate("delivery", State.MOOT, none)
    if row.done_at is not None:
        done = f"Outbox event {row.pk} (posts) was done {_time(row.done_at)}, {_attempts(row)}."
        return Gate("delivery", State.PASSED, done)
    leased = "nobody delivers it"
    if row.lease_until is not None:
        lapsed = "lapsed" if row.lease_until < facts.now else "leased until"
        leased = f"{lapsed} {_time(row.lease_until)}"
    past = "has passed" if row.cursor >= facts.viewer.user_id else "has not passed"
    sentence = (
        f"Outbox event {row.pk} (posts) is pending, {leased}; {_attempts(row)}, the next "
        f"{_time(row.wake_at)}; its cursor, {row.cursor}, {past} {facts.viewer_name} "
        f"({facts.viewer.user_id}){_error(row)}."
    )
    if facts.has_passed:
        return Gate("delivery", State.PASSED, sentence)
    is_awaited = facts.expected and not facts.shown
    return Gate("delivery", State.FAILED if is_awaited else State.MOOT, sentence)


def _timeline(facts: _Facts, at: Whereabouts) -> tuple[State, str]:
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
        sentence += f". Built as of graph position {at.as_of}; pulls {names}{others}"
    return State.PASSED, f"{sentence}."


def _entry(facts: _Facts) -> Gate:
    at, cap = facts.holder, f"cap {settings.TIMELINE_CAP}"
    if at.place is Place.LISTED:
        listed = f"Entry {at.rank} of {at.length} ({cap})."
        if facts.shown:
            return Gate("entry", State.PASSED, listed)
        why = "Reading leaves it out." if not facts.where.is_named or not facts.exists else ""
        return Gate("entry", State.MOOT, f"{listed} {why}".strip())
    if at.place is Place.BELOW:
        below = f"Older than the last of {at.length} entries ({cap}): there SQL answers."
        return Gate("entry", State.MOOT, below)
    if at.place is not Place.MISSING:
        return Gate("entry", State.MOOT, "SQL answers.")
    missing = f"Not among the {at.length} entries ({cap})"
    if facts.where.is_named:
        return Gate("entry", State.MOOT, f"{missing}, but SQL answers so far down already.")
    return Gate("entry", State.FAILED if facts.expected else State.MOOT, f"{missing}.")


def _verdict(facts: _Facts, gates: list[Gate]) -> tuple[str, str]:
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


def _still_being_delivered(facts: _Facts) -> str:
    """What will set right by itself what the next read answers; "" when nothing will."""
    if facts.pending_follow is not None:
        return "a change of whom they follow is still being delivered."
    if facts.expected and facts.edge is not None and facts.edge.author_state in _CHANGING:
        return "the followers' timelines are being dropped."
    if facts.expected and not facts.has_passed:
        return "it is still being delivered."
    return ""


def _attempts(row: OutboxEvent) -> str:
    return f"{row.attempts} attempt{'' if row.attempts == 1 else 's'}"


def _error(row: OutboxEvent) -> str:
    return f"; the last error: {row.last_error}" if row.last_error else ""


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
