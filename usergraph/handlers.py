"""What User Graph adds to User Info: members of a profile, and whom a viewer must not see."""

from usergraph import selectors, visibility
from users.selectors import add_hiding_rule, add_profile_part

add_profile_part(selectors.profile_part)
add_hiding_rule(lambda viewer_id: visibility.hidden_user_ids(viewer_id=viewer_id))
