"""Usernames beside ids, in the output of commands."""

from collections.abc import Iterable

from users.selectors import accounts


class People:
    """The usernames of some accounts, active or not. One query; none for no account."""

    def __init__(self, user_ids: Iterable[int]) -> None:
        ids = sorted(set(user_ids))
        found = accounts(user_ids=ids) if ids else {}
        self._usernames = {user_id: account.username for user_id, account in found.items()}

    def name(self, user_id: int) -> str:
        """`@ada`; of an account that is gone, `gone`."""
        username = self._usernames.get(user_id)
        return f"@{username}" if username else "gone"

    def document(self, user_id: int) -> dict[str, str | None]:
        """`{"id": "7", "username": "ada"}`; the username of an account that is gone is null."""
        return {"id": str(user_id), "username": self._usernames.get(user_id)}
