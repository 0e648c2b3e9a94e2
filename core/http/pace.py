"""How fast the bodies of one client may arrive.

A client on a fast network could otherwise keep all cores of the machine busy with copying bytes,
whatever becomes of them afterwards. Who is too fast is read more slowly; TCP then slows the client
down. So nothing is refused, and a refusal would cost more: the client would send the next body.
"""

# So many senders are remembered before those that are idle are forgotten.
SENDERS = 1024


class Pace:
    """A leaky bucket (ITU-T I.371) for each sender.

    A sender may send `burst` bytes at any speed, and beyond that `rate` bytes a second.
    """

    def __init__(self, *, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._levels: dict[str, tuple[float, float]] = {}  # bytes, and the time of that level
        self._most = SENDERS

    def take(self, sender: str, size: int, *, now: float) -> float:
        """Count bytes that have come; returns how many seconds to wait before reading more."""
        level = self._level(sender, now) + size
        self._levels[sender] = level, now
        if len(self._levels) > self._most:
            self._levels = {
                each: found for each, found in self._levels.items() if self._level(each, now)
            }
            self._most = max(SENDERS, 2 * len(self._levels))
        return max(0.0, (level - self._burst) / self._rate)

    def _level(self, sender: str, now: float) -> float:
        level, at = self._levels.get(sender, (0.0, now))
        return max(0.0, level - (now - at) * self._rate)
