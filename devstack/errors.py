"""What can go wrong with the stack, as the person at the terminal reads it."""

from __future__ import annotations


class StackError(Exception):
    """The message says what is wrong and what to do about it."""


class NotReadyError(Exception):
    """A service does not answer (yet); the message is the reason."""
