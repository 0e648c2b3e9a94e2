"""Beat sends each periodic task when it is due. Several beats may run: one of them leads.

The leader holds a lock in STATE, and renews it before each task that it sends. When a leader dies,
freezes or is cut off, its lock lapses after SECONDS_TO_LAPSE, and another beat takes it. Each
leadership has a number, its term, one more than the one before (Kleppmann, "How to do distributed
locking", calls it a fencing token). Messages carry the term of their sender, and workers drop those
of an earlier term: what a former leader still sends when it wakes up has no effect.

STATE down: no beat leads, and nothing is sent, until STATE is back. Whatever beat sends may be late
or lost: the next does the same work.
"""

import copy
import logging
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

from celery.beat import ScheduleEntry, Scheduler, Service
from celery.signals import beat_init
from redis.exceptions import ResponseError

from core.valkey import ValkeyUnavailable, run_script, state_valkey

logger = logging.getLogger(__name__)
SECONDS_TO_LAPSE = 6.0
# How often the leader renews its lock, and others try to take it: several times in that time.
SECONDS_BETWEEN_CLAIMS = 1.0
# The header of a message that has the term of the beat that sent it.
TERM_HEADER = "socialfeed_term"
# Both are STATE, strings: the token of the leader, which lapses; and the number of the last term.
_HOLDER_KEY, _TERM_KEY = "{beat}:v1:holder", "{beat}:v1:term"

# Takes the lock if nobody has it, or renews it. Returns the term of the lock; 0: somebody has it.
_CLAIM = """
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return tonumber(redis.call('GET', KEYS[2]))
elseif holder then
    return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return redis.call('INCR', KEYS[2])
"""
_GIVE_UP = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('DEL', KEYS[1])
end
"""

_leading = threading.Event()


def wait_to_lead() -> None:
    """Return when this process is the beat that leads; at once if it is."""
    _leading.wait()


class LeadingScheduler(Scheduler):
    """Celery's scheduler, which sends tasks only while it leads.

    When the last ones were sent is in memory only: who begins to lead sends all of them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._token = uuid4().hex.encode()
        self._term = 0  # while it does not lead
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send a task that is due, if there is one; returns in how many seconds to call again."""
        self._set_term(self._claim())
        if not self._term:
            return SECONDS_BETWEEN_CLAIMS
        return min(super().tick(*args, **kwargs), SECONDS_BETWEEN_CLAIMS)

    def apply_async(self, entry: ScheduleEntry, *args: Any, **kwargs: Any) -> Any:
        """Send a task, with the term of this leadership."""
        options = entry.options or {}
        headers = {**options.get("headers", {}), TERM_HEADER: self._term}
        sent = copy.copy(entry)
        sent.options = {**options, "headers": headers}
        return super().apply_async(sent, *args, **kwargs)

    def close(self) -> None:
        """Let another beat lead at once."""
        super().close()
        self._set_term(0)
        try:
            run_script(state_valkey(), _GIVE_UP, [([_HOLDER_KEY], [self._token])])
        except (ResponseError, *ValkeyUnavailable):
            logger.warning("STATE is down or full: the lock of beat lapses by itself")

    def _claim(self) -> int:
        """The term, if this beat leads now; else 0."""
        arguments = [self._token, b"%d" % (1000 * SECONDS_TO_LAPSE)]
        try:
            (term,) = run_script(state_valkey(), _CLAIM, [([_HOLDER_KEY, _TERM_KEY], arguments)])
        except (ResponseError, *ValkeyUnavailable) as error:
            if self._term:
                logger.warning("STATE is down or full, so no beat leads: %s", error)
            return 0
        return int(term)

    def _set_term(self, term: int) -> None:
        if term == self._term:
            return
        self._term = term
        if term:
            logger.info("this beat leads, in term %d", term)
            for entry in self.schedule.values():
                entry.last_run_at = (entry.last_run_at or entry.default_now()) - timedelta(days=1)
            self._heap = None  # made anew at the next tick
            _leading.set()
        else:
            logger.warning("this beat does not lead any more")
            _leading.clear()


@beat_init.connect
def refuse_other_schedulers(sender: Service, **kwargs: Any) -> None:
    """End a beat that was told to use another scheduler: it would send beside the one that leads,
    and never measure the outbox.
    """
    if not isinstance(sender.scheduler, LeadingScheduler):
        raise SystemExit(
            "This beat would not take turns with others. Start it without --scheduler: "
            "celery --app socialfeed beat"
        )


def is_outdated(headers: Mapping[str, Any] | None) -> bool:
    """Whether a message with these headers is from a beat that did not lead any more.

    False if it is of no beat, or if STATE is down.
    """
    term = (headers or {}).get(TERM_HEADER)
    if term is None:
        return False
    try:
        newest = state_valkey().get(_TERM_KEY)
    except ValkeyUnavailable:
        return False
    return int(term) < int(newest or 0)
