"""What the tests of Operations share."""

from tests.support.fixtures import bobs, follows, stored_keys, upload

__all__ = ["bobs", "follows", "stored_keys", "upload"]
