"""The address of a client, in the form in which it is counted.

gunicorn's main process imports this module, so it imports nothing that needs Django's settings.
"""

from functools import lru_cache
from ipaddress import IPv4Address, ip_address, ip_network

from django.conf import settings

# A customer gets an IPv6 network of this prefix, and can send from any of its 2^64 addresses.
IPV6_PREFIX = 64
# A process caches so many parsed addresses.
ADDRESSES_CACHED = 8192


def counted_address(*, forwarded_for: str, peer: str) -> str:
    """The address that a request came from: an IPv4 address, or the /64 of an IPv6.

    `forwarded_for` is the X-Forwarded-For header, `peer` the other end of the connection. Each of
    our proxies appends the address of its own client to the header. So the client's is the entry
    TRUSTED_PROXY_COUNT from the right; the client itself may have written all before it. If there
    is no such entry, or it is no address, the peer counts.
    """
    count = settings.TRUSTED_PROXY_COUNT
    entries = forwarded_for.split(",")
    forwarded = entries[-count] if 0 < count <= len(entries) else ""
    return _address(forwarded) or _address(peer) or "unknown"


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
