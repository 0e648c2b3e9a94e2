"""What Operations does when something has happened, beside other transactions."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction

from operations.handlers import remove_account
from tests.support.crashes import die_after_commit
from usergraph.models import Follow
from usergraph.selectors import profile_part
from usergraph.services import follow_user
from users import services as user_services
from users.events import AccountDeleted

pytestmark = pytest.mark.usefixtures("committed")


def follow_in_time(follower_id: int, followee_id: int) -> bool:
    """Follow somebody on a connection of its own; False if the account is locked."""
    try:
        with transaction.atomic(using="default"), connections["default"].cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '300ms'")
            follow_user(follower_id=follower_id, followee_id=followee_id)
    except OperationalError:
        return False
    finally:
        connections.close_all()
    return True


def test_nobody_follows_an_account_while_its_row_is_removed(
    person: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a follow would go with the row, and stay in the count of who has followed."""
    fan, leaver = person("fan"), person("leaver")
    with monkeypatch.context() as patch:
        die_after_commit(patch)  # so that no worker of the stack removes the account first
        deletion_id = user_services.delete_account(user_id=leaver, requested_by="staff")
    finish, followed = user_services.finish_deletion, []

    def finish_after_a_follow(**arguments: Any) -> bool:
        with ThreadPoolExecutor(1) as pool:
            followed.append(pool.submit(follow_in_time, fan, leaver).result())
        return finish(**arguments)

    monkeypatch.setattr(user_services, "finish_deletion", finish_after_a_follow)
    list(remove_account(AccountDeleted(user_id=leaver, deletion_id=deletion_id), 0))
    assert followed == [False]
    assert not Follow.objects.filter(follower_id=fan).exists()
    assert profile_part(fan, fan)["counts"]["following"] == 0
