"""The caller of a request: the id of a user, and the address that the request came from."""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, ip_address, ip_network
from typing import cast

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

# A customer gets an IPv6 network of this prefix, and can send from any of its 2^64 addresses.
IPV6_PREFIX = 64
# A process caches so many parsed addresses.
ADDRESSES_CACHED = 8192


@dataclass(frozen=True)
class Caller:
    """The authenticated user of a request; `request.user` of every API view."""

    pk: int
    is_authenticated = True
    is_active = True
    is_anonymous = False


def caller_id(request: Request) -> int:
    """The id of the caller of an authenticated request."""
    return cast("Caller", request.user).pk


def client_address(request: HttpRequest | Request) -> str:
    """The address that a request came from, for counting: an IPv4 address, or the /64 of an IPv6.

    Each of our proxies appends the address of its own client to X-Forwarded-For. So the client's is
    the entry TRUSTED_PROXY_COUNT from the right; the client itself may have written all before it.
    If there is no such entry, or it is no address, the other end of the connection counts.
    """
    count = settings.TRUSTED_PROXY_COUNT
    entries = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    forwarded = entries[-count] if 0 < count <= len(entries) else ""
    return _address(forwarded) or _address(request.META.get("REMOTE_ADDR", "")) or "unknown"


@lru_cache(maxsize=ADDRESSES_CACHED)
def _address(text: str) -> str:
    """An address in the form in which it is counted; "" if the text is no address."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return ""
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((address, IPV6_PREFIX), strict=False))
