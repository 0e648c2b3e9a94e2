"""The `RateLimit-*` headers of an answer."""

from __future__ import annotations

from collections.abc import Sequence

from core.http.limits.windows import Window


def limit_headers(windows: Sequence[Window]) -> dict[str, str]:
    """What is left of the limit that is nearest to its end, and all limits that were counted."""
    if not windows:
        return {}
    nearest = min(windows, key=lambda window: (window.remaining, -window.reset_seconds))
    policies = [f"{window.limit.amount};w={window.limit.get_expiry()}" for window in windows]
    return {
        "RateLimit-Limit": str(nearest.limit.amount),
        "RateLimit-Remaining": str(nearest.remaining),
        "RateLimit-Reset": str(nearest.reset_seconds),
        "RateLimit-Policy": ", ".join(policies),
    }
