"""Who makes a request: an id, as far as the views need to know; and from which address."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, ip_address, ip_network
from typing import cast

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

# What one customer gets of IPv6: whoever has it can send from any of its 2^64 addresses.
IPV6_PREFIX = 64
# A process remembers how so many addresses are counted.
ADDRESSES_KEPT = 8192


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

    Each proxy of ours adds to X-Forwarded-For whom it was asked by; so the entry that counts is as
    many from the right as there are proxies (TRUSTED_PROXY_COUNT), and whatever is left of it the
    client has written. No such entry, or none that is an address: who opened the connection.
    """
    count = settings.TRUSTED_PROXY_COUNT
    entries = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    forwarded = entries[-count] if 0 < count <= len(entries) else ""
    return _address(forwarded) or _address(request.META.get("REMOTE_ADDR", "")) or "unknown"


@lru_cache(maxsize=ADDRESSES_KEPT)
def _address(text: str) -> str:
    """An address in the form in which it is counted; "" when it is none."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return ""
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((address, IPV6_PREFIX), strict=False))
