"""A person with an HTTP client, who sends to the web server what a phone's app would send."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
from django.conf import settings
from django.core.cache import cache
from django_redis.cache import RedisCache

from core.http.limits.counting import limit_key
from core.valkey import state_valkey
from devstack.layout import HOST

PASSWORD = "low-tide-at-dawn"
# All clients share one context: to load all certificates takes longer than many tests.
_TLS = ssl.create_default_context()


@dataclass
class Person:
    """A person who has signed up; `http` sends their bearer token."""

    username: str
    id: str
    http: httpx.Client
    tokens: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **params: Any) -> Any:
        """GET a path under /api/v1. Returns the decoded body; fails unless the status is 200."""
        response = self.http.get(f"/api/v1{path}", params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def upload(self, image: bytes, name: str = "picture.jpg") -> Any:
        """Upload a picture. Returns the media document."""
        response = self.http.post("/api/v1/media", files={"file": (name, image)})
        assert response.status_code == 201, response.text
        return response.json()

    def post(self, caption: str, image: bytes) -> Any:
        """Upload a picture and post it. Returns the post document."""
        body = {"caption": caption, "media": [self.upload(image)["id"]]}
        response = self.http.post("/api/v1/posts", json=body)
        assert response.status_code == 201, response.text
        return response.json()

    def comment(self, post: Any, text: str, **rest: Any) -> Any:
        """Comment on a post. Returns the comment document."""
        body = {"text": text, **rest}
        response = self.http.post(f"/api/v1/posts/{post['id']}/comments", json=body)
        assert response.status_code == 201, response.text
        return response.json()

    def like(self, post: Any) -> None:
        """Like a post."""
        response = self.http.put(f"/api/v1/posts/{post['id']}/like")
        assert response.status_code == 200, response.text

    def unlike(self, post: Any) -> None:
        """Unlike a post."""
        response = self.http.delete(f"/api/v1/posts/{post['id']}/like")
        assert response.status_code == 200, response.text

    def follow(self, other: "Person") -> None:
        """Follow another person."""
        response = self.http.put(f"/api/v1/users/{other.username}/follow")
        assert response.status_code == 200, response.text

    def home_ids(self) -> list[str]:
        """The ids of the posts on the first page of the home timeline."""
        return [post["id"] for post in self.get("/timeline/home", limit=100)["results"]]


def http_client(origin: str | httpx.URL, **options: Any) -> httpx.Client:
    """A client of a stack, or of one of its instances."""
    return httpx.Client(**{"base_url": origin, "timeout": 20, "verify": _TLS} | options)


def sign_up(origin: str, username: str) -> Person:
    """Sign up over HTTP."""
    http = http_client(origin)
    response = http.post(
        "/_allauth/app/v1/auth/signup",
        json={"username": username, "email": f"{username}@example.org", "password": PASSWORD},
    )
    assert response.status_code == 200, response.text
    body = response.json()
    http.headers["Authorization"] = f"Bearer {body['meta']['access_token']}"
    return Person(username, str(body["data"]["user"]["id"]), http, body["meta"])


def reset_login_limits() -> None:
    """Reset the rate limits of log-ins from this machine."""
    log_ins = settings.RATE_LIMITS["login"]
    assert log_ins is not None
    state_valkey().delete(limit_key("login", log_ins, HOST))
    cast("RedisCache", cache).delete_pattern("allauth:rl:*", itersize=1000)


def wait_until(
    condition: Callable[[], bool], seconds: float = 60.0, *, every: float = 0.02
) -> float:
    """Wait until `condition` holds. Returns the seconds that took; fails after `seconds`.

    `seconds` is less where the time is what is tested. `every`: seconds between two questions; more
    where a question costs what is measured.
    """
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, f"not within {seconds} s"
        time.sleep(every)
    return time.monotonic() - start
