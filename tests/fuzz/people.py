"""Who sends the requests: two residents, and a guest for requests that may end an account.

The residents have posts, comments and likes, and follow each other. Their sessions last for the
whole run. A guest whose session has ended is replaced by a new one.
"""

from dataclasses import dataclass
from itertools import count
from random import Random

from tests.support.client import PASSWORD, Person, http_client
from tests.support.direct_uploads import announcement, send_form, waiting_post
from tests.support.images import jpeg_with_gps
from users.services import ensure_account

# The guest sends these: they change or end what the sender logs in with, or whom the sender sees.
_CHANGES_ACCOUNT = frozenset(
    {
        "PATCH /api/v1/users/me",
        "PUT /api/v1/users/{username}/block",
        "DELETE /api/v1/users/{username}/block",
        "POST /_allauth/app/v1/account/email",
        "PUT /_allauth/app/v1/account/email",
        "PATCH /_allauth/app/v1/account/email",
        "DELETE /_allauth/app/v1/account/email",
        "POST /_allauth/app/v1/account/authenticators/totp",
        "DELETE /_allauth/app/v1/account/authenticators/totp",
        "POST /_allauth/app/v1/account/authenticators/recovery-codes",
    }
)
_ENDS_SESSION = frozenset(
    {
        "DELETE /api/v1/users/me",
        "DELETE /api/v1/users/me/sessions/{session_id}",
        "DELETE /_allauth/app/v1/auth/session",
        "POST /_allauth/app/v1/account/password/change",
    }
)

# How often a request to an operation that needs no log-in has a token all the same.
NEEDLESS_TOKENS = 0.2
# How often the other resident may send a request amid those of one.
INTERRUPTIONS = 0.4


@dataclass(frozen=True)
class Resident:
    """A person who stays, and what they have made: ids, by the parameter that takes them.

    Those under `doomed_…` are there to be deleted.
    """

    person: Person
    ids: dict[str, list[str]]


class People:
    """The people of one run. `origin` is the stack's address; needs committed database access."""

    def __init__(self, origin: str, random: Random) -> None:
        self._origin, self._random = origin, random
        self._numbers = count()
        self._names: dict[str, str] = {}  # usernames by access token
        people = [self._logged_in("resident"), self._logged_in("resident")]
        self.residents = [_with_belongings(person) for person in people]
        for person, other in (people, people[::-1]):
            person.follow(other)
        self._guest: Person | None = None
        self.change_speaker()

    def change_speaker(self) -> None:
        """Let one of the residents send most of the next requests."""
        self._speaker = self._random.choice(self.residents)

    def token(self, operation: str, *, is_needed: bool) -> str | None:
        """The access token of who sends an operation: `PUT /api/v1/…`; None: nobody.

        `is_needed`: it needs a log-in.
        """
        if not is_needed and self._random.random() >= NEEDLESS_TOKENS:
            return None
        if operation in _CHANGES_ACCOUNT | _ENDS_SESSION:
            self._guest = self._guest or self._logged_in("guest")
            return self._guest.tokens["access_token"]
        is_speaker = self._random.random() >= INTERRUPTIONS
        resident = self._speaker if is_speaker else self._random.choice(self.residents)
        return resident.person.tokens["access_token"]

    def sender(self, authorization: str) -> str | None:
        """The username behind an `Authorization` header; None if it is nobody's."""
        return self._names.get(authorization.removeprefix("Bearer "))

    def note_answer(self, operation: str, status: int) -> None:
        """Replace the guest if the operation has, or may have, ended the session."""
        ended = status < 400 or status == 401
        if ended and operation in _ENDS_SESSION and self._guest:
            self._guest.http.close()
            self._guest = None

    def close(self) -> None:
        """Close all connections."""
        for resident in self.residents:
            resident.person.http.close()
        if self._guest:
            self._guest.http.close()

    def _logged_in(self, role: str) -> Person:
        username = f"{role}_{self._random.randrange(10**9)}_{next(self._numbers)}"
        user_id, _ = ensure_account(
            username=username, email=f"{username}@example.org", password=PASSWORD
        )
        http = http_client(self._origin)
        body = {"username": username, "password": PASSWORD}
        response = http.post("/_allauth/app/v1/auth/login", json=body)
        assert response.status_code == 200, response.text
        tokens = response.json()["meta"]
        http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        self._names[tokens["access_token"]] = username
        return Person(username, str(user_id), http, tokens)


def _with_belongings(person: Person) -> Resident:
    kept, doomed = (person.post("Low tide.", jpeg_with_gps()) for _ in range(2))
    person.like(kept)
    return Resident(
        person,
        {
            "post_id": [kept["id"]],
            "doomed_post_id": [doomed["id"]],
            "comment_id": [person.comment(kept, "Lovely.")["id"]],
            "doomed_comment_id": [person.comment(kept, "Lovely.")["id"]],
            "waiting_post_id": [waiting_post(person) for _ in range(2)],
            "media_id": [
                *(person.upload(jpeg_with_gps())["id"] for _ in range(3)),
                *(_sent(person, jpeg_with_gps()) for _ in range(2)),
            ],
        },
    )


def _sent(person: Person, content: bytes) -> str:
    """Announce a file and send it to the object store; returns its id. It is not complete."""
    answer = person.http.post("/api/v1/media/uploads", json=announcement(content))
    assert answer.status_code == 201, answer.text
    sending = answer.json()
    assert send_form(sending["form"], content).status_code == 204
    return str(sending["id"])
