"""Addresses of servers as URLs, for the settings and for the stack. Standard library only."""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

_FORM = "sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT,.../NAME[/DATABASE][?sentinel_password=...]"
_PASSWORD = "sentinel_password="  # noqa: S105 (the name of an option)
_DATABASE_FORM = "postgres://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT],.../NAME[?OPTION=...]"
_DATABASE = re.compile(r"(?P<scheme>\w+://(?:[^/?#]*@)?)(?P<hosts>[^/?#@]*)(?P<name>/[^?#]+.*)")
_PLACE = re.compile(r"(?:\[[^\]\s]+\]|[^\s,:\[\]]+)(?::\d+)?")
_CLUSTER_FORM = "redis-cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT,...[?OPTION=...]"


def urls_of_hosts(url: str) -> list[str]:
    """A URL for each host of a database's URL. Raises ValueError if malformed."""
    # Not `urlsplit`, which refuses several hosts if one is an IPv6 address.
    authority = re.split("[/?]", url.partition("://")[2], maxsplit=1)[0]
    if "," not in authority.rpartition("@")[2]:
        return [url]
    match = _DATABASE.fullmatch(url)
    places = match["hosts"].split(",") if match else []
    if match is None or not all(map(_PLACE.fullmatch, places)):
        raise ValueError(f"The URL of a database on several hosts has the form {_DATABASE_FORM}")
    return [match["scheme"] + place + match["name"] for place in places]


@dataclass(frozen=True)
class ClusterAddress:
    """Some servers of a Valkey Cluster. Each of them knows the others."""

    hosts: tuple[tuple[str, int], ...]
    # Of the first host alone, with the log-in and the options for all.
    url: str


def cluster_of(url: str) -> ClusterAddress | None:
    """The cluster that a URL names; None if it names one server. Raises ValueError if malformed.

    `redis-cluster://`, or `rediss-cluster://` with TLS; or several hosts of `redis://`.
    """
    address = urlsplit(url)
    scheme, dash, kind = address.scheme.partition("-")
    if scheme not in {"redis", "rediss"} or (dash and kind != "cluster"):
        return None
    login, at, places = address.netloc.rpartition("@")
    if not dash and "," not in places:
        return None
    hosts = _hosts(places)
    if hosts is None or address.path.strip("/") not in {"", "0"}:
        raise ValueError(f"The URL of a cluster has the form {_CLUSTER_FORM}")
    first = login + at + places.partition(",")[0]
    return ClusterAddress(hosts, address._replace(scheme=scheme, netloc=first, path="").geturl())


@dataclass(frozen=True)
class Sentinels:
    """Sentinels, and the group of servers whose primary they know."""

    hosts: tuple[tuple[str, int], ...]
    name: str  # of the group
    database: int
    # Of the servers: `user:password@` as in the URL, or nothing.
    login: str
    # Of the Sentinels themselves.
    password: str | None

    @property
    def broker_url(self) -> str:
        """The form that Celery takes, which has the group's name elsewhere."""
        places = (f"[{host}]" if ":" in host else host for host, _ in self.hosts)
        return ";".join(
            f"sentinel://{self.login}{place}:{port}/{self.database}"
            for place, (_, port) in zip(places, self.hosts, strict=True)
        )


def sentinels_of(url: str) -> Sentinels | None:
    """The Sentinels that a URL names; None if it names a server. Raises ValueError if malformed."""
    address = urlsplit(url)
    if address.scheme != "sentinel":
        return None
    login, at, places = address.netloc.rpartition("@")
    name, _, database = address.path.strip("/").partition("/")
    hosts = _hosts(places)
    if not name or hosts is None:
        raise ValueError(f"The URL of Sentinels has the form {_FORM}")
    if not (database or "0").isdecimal():
        raise ValueError(f"{database!r} is no number of a database. The form is {_FORM}")
    if address.query and (not address.query.startswith(_PASSWORD) or "&" in address.query):
        raise ValueError(f"{_PASSWORD}... is the only option. The form is {_FORM}")
    return Sentinels(
        hosts=hosts,
        name=name,
        database=int(database or 0),
        login=login + at,
        password=unquote(address.query.removeprefix(_PASSWORD)) or None,
    )


def _hosts(places: str) -> tuple[tuple[str, int], ...] | None:
    """Hosts and ports, from HOST:PORT,HOST:PORT,...; None if malformed."""
    pairs = [place.rpartition(":") for place in places.split(",")]
    if not all(host and port.isdecimal() for host, _, port in pairs):
        return None
    return tuple((host.strip("[]"), int(port)) for host, _, port in pairs)


def mask(url: str) -> str:
    """The URL with its password hidden; or several URLs, as those of a broker's nodes."""
    first, *others = re.split(r";(?=[a-z+-]+://)", url)
    if others:
        return ";".join(map(mask, [first, *others]))
    address = urlsplit(url)
    login, at, places = address.netloc.rpartition("@")
    user, colon, _ = login.partition(":")
    hidden = f"{user}:***@" if colon else login + at
    return address._replace(netloc=hidden + places, query="").geturl()
