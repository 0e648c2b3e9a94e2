"""What the tests of Media share."""

from tests.support.fixtures import closed_store, stored_keys, upload

__all__ = ["closed_store", "stored_keys", "upload"]
