"""Addresses of servers as URLs, for the settings and for the stack. Standard library only."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

_FORM = "sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT,.../NAME[/DATABASE][?sentinel_password=...]"
_PASSWORD = "sentinel_password="  # noqa: S105 (the name of an option)


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
    hosts = [place.rpartition(":") for place in places.split(",")]
    if not name or not all(host and port.isdecimal() for host, _, port in hosts):
        raise ValueError(f"The URL of Sentinels has the form {_FORM}")
    if not (database or "0").isdecimal():
        raise ValueError(f"{database!r} is no number of a database. The form is {_FORM}")
    if address.query and (not address.query.startswith(_PASSWORD) or "&" in address.query):
        raise ValueError(f"{_PASSWORD}... is the only option. The form is {_FORM}")
    return Sentinels(
        hosts=tuple((host.strip("[]"), int(port)) for host, _, port in hosts),
        name=name,
        database=int(database or 0),
        login=login + at,
        password=unquote(address.query.removeprefix(_PASSWORD)) or None,
    )


def mask(url: str) -> str:
    """The URL with its password hidden."""
    address = urlsplit(url)
    login, at, places = address.netloc.rpartition("@")
    user, colon, _ = login.partition(":")
    hidden = f"{user}:***@" if colon else login + at
    return address._replace(netloc=hidden + places, query="").geturl()
