"""Errors of the stack, for the person at the terminal."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot do what was asked. The message says why and what to do."""


class NotReadyError(Exception):
    """A service does not answer, or not yet. The message says why."""
