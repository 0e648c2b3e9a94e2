"""Uploads, as Media's own tests make them."""

from tests.media.conftest import stored_keys, upload

__all__ = ["stored_keys", "upload"]
