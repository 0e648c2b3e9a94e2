"""How a viewer and a user stand to each other, as answers say it."""

STRANGERS = dict.fromkeys(
    ("following", "followed_by", "requested", "muting", "close_friend", "restricting"), False
)
