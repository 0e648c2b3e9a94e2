"""What User Graph adds to User Info, and what follows from a block and from changes of an account.

It adds members of a profile, whom a viewer must not see, and how a viewer and users stand to each
other.
"""

from collections.abc import Iterable
from functools import partial

from core.outbox.batches import STEP, as_steps, repeated, walked
from core.outbox.events import SHORT_PAUSE
from core.outbox.subscriptions import Step
from usergraph import follows, related, selectors, services, store
from usergraph.events import (
    BlockChanged,
    CloseFriendsChanged,
    block_changed,
    close_friends_changed,
)
from users.events import AccountSwitched, PrivacyChanged, account_switched, privacy_changed
from users.selectors import add_hiding_rule, add_profile_part, add_viewer_rule

add_profile_part(selectors.profile_part)
add_hiding_rule(lambda viewer_id: related.hidden_people(viewer_id=viewer_id))
add_viewer_rule(
    lambda viewer_id, user_ids: related.relations(viewer_id=viewer_id, user_ids=user_ids)
)


@block_changed.subscribe("usergraph", in_request=True, longest_pause=SHORT_PAUSE)
def refresh_hidden(block: BlockChanged, cursor: int) -> Iterable[Step]:
    """Refresh who is hidden from both, and who has them among the close friends."""
    both = [block.blocker_id, block.blocked_id]
    store.HIDDEN.refresh(both)
    store.FRIENDLY.refresh(both)
    return ()


@close_friends_changed.subscribe("usergraph", in_request=True, longest_pause=SHORT_PAUSE)
def refresh_friendly(change: CloseFriendsChanged, cursor: int) -> Iterable[Step]:
    """Refresh who has a user among the close friends."""
    store.FRIENDLY.refresh([change.friend_id])
    return ()


@privacy_changed.subscribe("usergraph")
def accept_requests(account: PrivacyChanged, cursor: int) -> Iterable[Step]:
    """Accept all requests to follow an account that is public now."""
    accept = follows.accept_all_requests
    return as_steps(repeated("requests", accept, followee_id=account.user_id))


@account_switched.subscribe("usergraph")
def show_account(account: AccountSwitched, cursor: int) -> Iterable[Step]:
    """Count an active account among followers and followed accounts; a deactivated one not."""

    def walk(after: int, *, is_follower: bool) -> int | None:
        return services.show_account(
            user_id=account.user_id, after=after, limit=STEP, is_follower=is_follower
        )

    return walked(partial(walk, is_follower=True), partial(walk, is_follower=False), cursor=cursor)
