"""What the tests of Fan-out share."""

from tests.support.fixtures import bobs, follows, stored_keys, upload

__all__ = ["bobs", "follows", "stored_keys", "upload"]
