"""The addresses at which clients fetch objects.

A public object has a stable one. A withheld object is named by its key until somebody is answered
who may see it: `shown_address` signs it then, for LIFETIME. The signature is S3's (SigV4 in the
query). boto3's own function makes the same one, in 200 us; a page of private posts has hundreds, so
here it takes a few us (tests/benchmarks/privacy.py).

All addresses of a WINDOW are signed as of its beginning: so every process gives the same address
for an object, and clients keep what they have fetched.
"""

import hmac
import time
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from django.core.files.storage import storages

from core.valkey import holds_until
from media import storage

LIFETIME, WINDOW = 300, 120  # seconds
# What stores and caches on the way may keep: the stored header is that of a public object.
_CACHE_CONTROL = f"private, max-age={LIFETIME}"
_SCOPE_END = "aws4_request"
_DEFAULT_PORTS = {("http", 80), ("https", 443)}


def shown_address(key: str) -> str:
    """The address of an object for somebody who may see it."""
    return storage.public_url(key) if storage.is_public(key) else signed_address(key)


def signed_address(key: str, *, now: float | None = None) -> str:
    """The address of an object that is not public. It ends LIFETIME after the beginning of the
    window that `now` (Unix seconds) is in.
    """
    window = _window(now)
    holds_until(window + WINDOW)
    signing = _signing(window)
    path = f"{signing.folder}/{quote(key)}"
    request = f"GET\n{path}\n{signing.query}\nhost:{signing.host}\n\nhost\nUNSIGNED-PAYLOAD"
    text = f"{signing.head}\n{sha256(request.encode()).hexdigest()}"
    signature = hmac.digest(signing.key, text.encode(), "sha256").hex()
    return f"{signing.origin}{path}?{signing.query}&X-Amz-Signature={signature}"


def end_of_signatures(*, now: float | None = None) -> int:
    """When the addresses end that are signed at a moment, in Unix seconds."""
    return _window(now) + LIFETIME


def _window(now: float | None) -> int:
    return int(time.time() if now is None else now) // WINDOW * WINDOW


@dataclass(frozen=True)
class _Signing:
    """What all signatures of a window have in common."""

    origin: str
    host: str
    folder: str  # before the key, in the path
    query: str
    head: str  # of the text that is signed
    key: bytes


@lru_cache(maxsize=2)
def _signing(window: int) -> _Signing:
    client, bucket = storage.client_and_bucket("signatures")
    store: Any = storages["signatures"]
    # boto3 knows how this store is addressed.
    example = {"Bucket": bucket, "Key": "key"}
    parts = urlsplit(client.generate_presigned_url("get_object", Params=example))
    # As clients send it: in lower case, and without the port that goes without saying.
    host, port = parts.hostname or "", parts.port
    host = f"[{host}]" if ":" in host else host
    if port is not None and (parts.scheme, port) not in _DEFAULT_PORTS:
        host = f"{host}:{port}"
    at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(window))
    scope = (at[:8], client.meta.region_name, "s3", _SCOPE_END)
    key = f"AWS4{store.secret_key}".encode()
    for part in scope:
        key = hmac.digest(key, part.encode(), "sha256")
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": "/".join((store.access_key, *scope)),
        "X-Amz-Date": at,
        "X-Amz-Expires": LIFETIME,
        "X-Amz-SignedHeaders": "host",
        "response-cache-control": _CACHE_CONTROL,
    }
    return _Signing(
        origin=f"{parts.scheme}://{host}",
        host=host,
        folder=parts.path.removesuffix("/key"),
        query=urlencode(query, quote_via=quote, safe=""),
        head="\n".join(("AWS4-HMAC-SHA256", at, "/".join(scope))),
        key=key,
    )
