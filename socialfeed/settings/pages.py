"""What a browser may do with our pages: the front page, the API docs, the admin."""

from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONE as _NONE
from csp.constants import SELF as _SELF

from socialfeed.settings.stores import MEDIA_PUBLIC_BASE, STORAGES

_stores: Any = STORAGES


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


# No inline script or style: they are static files, or have a nonce (`request.csp_nonce`).
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [_NONE],
        "script-src": [_SELF],
        "style-src": [_SELF],
        "font-src": [_SELF],
        "connect-src": [_SELF],
        # The icons of the API docs and of the admin are data. Withheld pictures, with a signature,
        # come from the store itself.
        "img-src": [
            *(_SELF, "data:", _origin(MEDIA_PUBLIC_BASE)),
            _origin(_stores["signatures"]["OPTIONS"]["endpoint_url"]),
        ],
        "form-action": [_SELF],
        "base-uri": [_NONE],
        "frame-ancestors": [_NONE],
    }
}
