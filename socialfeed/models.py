"""The tables that every database has, defined where they are used."""

from socialfeed.common.counters import Counter, CounterChange

__all__ = ["Counter", "CounterChange"]
