"""Whom a viewer must not see, for tests of User Info."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Hidden:
    """These users are hidden."""

    listed: Collection[int]

    def among(self, user_ids: Collection[int]) -> Collection[int]:
        return self.listed
