"""What User Graph adds to User Info, and what follows from a block and an account's activation.

It adds members of a profile, whom a viewer must not see, and whom a viewer follows.
"""

from collections.abc import Iterable
from functools import partial

from core.outbox.batches import STEP, walked
from core.outbox.subscriptions import Step
from usergraph import blocks, selectors, services, store, visibility
from usergraph.events import BlockChanged, block_changed
from users.events import AccountSwitched, account_switched
from users.selectors import add_follow_rule, add_hiding_rule, add_profile_part

add_profile_part(selectors.profile_part)
add_hiding_rule(lambda viewer_id: blocks.hidden_people(viewer_id=viewer_id))
add_follow_rule(
    lambda viewer_id, user_ids: visibility.followed_among(viewer_id=viewer_id, user_ids=user_ids)
)


# In seconds. Until it is done, each of the two may still see the other.
LONGEST_PAUSE = 4


@block_changed.subscribe("usergraph", in_request=True, longest_pause=LONGEST_PAUSE)
def refresh_hidden(block: BlockChanged, cursor: int) -> Iterable[Step]:
    """Refresh who is hidden from both."""
    store.HIDDEN.refresh([block.blocker_id, block.blocked_id])
    return ()


@account_switched.subscribe("usergraph")
def show_account(account: AccountSwitched, cursor: int) -> Iterable[Step]:
    """Count an active account among followers and followed accounts; a deactivated one not."""

    def walk(after: int, *, is_follower: bool) -> int | None:
        return services.show_account(
            user_id=account.user_id, after=after, limit=STEP, is_follower=is_follower
        )

    return walked(partial(walk, is_follower=True), partial(walk, is_follower=False), cursor=cursor)
