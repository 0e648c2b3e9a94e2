"""What each operation of the API shows: rows of the authorisation matrix.

OPERATIONS has every operation of the schema; `test_who_sees_what` fails for one that is not there.
"""

from typing import Any, NamedTuple

PERSON = "person"  # of the owner, whom it names: 404 for who may not see the owner
OWN = "own"  # what the owner owns: 404 for who may not see that
POST = "post"  # a post of the owner's, or what is on it: 404 for who may not see the post
HELD = "held"  # a comment on that post that is held back: 404 for all but who wrote it
SHOWING = "showing"  # of the neutral person, and shows the owner in between
MINE = "mine"  # of the caller alone: shows the owner to nobody
ACT = "act"  # acts on the owner, or what they wrote elsewhere: 404 as for PERSON
CHANGE = "change"  # acts on the owner's post, or what is on it: 404 as for POST
ELSEWHERE = "elsewhere"  # names nobody, and shows nobody


class Row(NamedTuple):
    """An operation: what it shows, and the addresses at which it does."""

    kind: str
    paths: tuple[str, ...] = ()


OPERATIONS = {
    "GET /users": Row(SHOWING, ("/users?search={owner}",)),
    "GET /users/me": Row(MINE),
    "GET /users/me/sessions": Row(MINE),
    "GET /users/me/usage": Row(MINE),
    "GET /users/me/blocks": Row(MINE),
    "GET /users/me/mutes": Row(MINE),
    "GET /users/me/close-friends": Row(MINE),
    "GET /users/me/restricted": Row(MINE),
    "GET /users/me/commenting": Row(MINE),
    "GET /held-comments": Row(MINE),
    "GET /follow-requests": Row(MINE),
    "GET /users/me/suggestions": Row(MINE),
    "GET /users/by-id/{user_id}": Row(PERSON, ("/users/by-id/{owner_id}",)),
    "GET /users/{username}": Row(PERSON, ("/users/{owner}",)),
    "GET /users/{username}/followers": Row(OWN, ("/users/{owner}/followers",)),
    "GET /users/{username}/following": Row(OWN, ("/users/{owner}/following",)),
    "GET /users/{username}/timeline": Row(OWN, ("/users/{owner}/timeline",)),
    "GET /posts": Row(OWN, ("/posts?author={owner}",)),
    "GET /posts/{post_id}": Row(POST, ("/posts/{post}",)),
    "GET /posts/{post_id}/likes": Row(POST, ("/posts/{post}/likes",)),
    "GET /posts/{post_id}/comments": Row(POST, ("/posts/{post}/comments",)),
    "GET /posts/{post_id}/commenting": Row(POST, ("/posts/{post}/commenting",)),
    "GET /comments/{comment_id}": Row(PERSON, ("/comments/{comment}",)),
    "GET /comments/{comment_id}/likes": Row(PERSON, ("/comments/{comment}/likes",)),
    "GET /timeline/home": Row(SHOWING, ("/timeline/home",)),
    "GET /media/{media_id}": Row(MINE, ("/media/{media}",)),
    "GET /media/uploads/{media_id}": Row(MINE, ("/media/uploads/{media}",)),
    "GET /posts/waiting": Row(MINE),
    "GET /posts/waiting/{waiting_post_id}": Row(MINE, ("/posts/waiting/{post}",)),
    "POST /follow-requests/{username}/accept": Row(ACT, ("/follow-requests/{owner}/accept",)),
    "POST /follow-requests/{username}/decline": Row(ACT, ("/follow-requests/{owner}/decline",)),
    "PUT /users/{username}/follow": Row(ACT, ("/users/{owner}/follow",)),
    "DELETE /users/{username}/follow": Row(ACT, ("/users/{owner}/follow",)),
    "DELETE /users/{username}/follower": Row(ACT, ("/users/{owner}/follower",)),
    "PUT /users/{username}/block": Row(ACT, ("/users/{owner}/block",)),
    "DELETE /users/{username}/block": Row(ACT, ("/users/{owner}/block",)),
    "PUT /users/{username}/mute": Row(ACT, ("/users/{owner}/mute",)),
    "DELETE /users/{username}/mute": Row(ACT, ("/users/{owner}/mute",)),
    "PUT /users/{username}/close-friend": Row(ACT, ("/users/{owner}/close-friend",)),
    "DELETE /users/{username}/close-friend": Row(ACT, ("/users/{owner}/close-friend",)),
    "PUT /users/{username}/restriction": Row(ACT, ("/users/{owner}/restriction",)),
    "DELETE /users/{username}/restriction": Row(ACT, ("/users/{owner}/restriction",)),
    "POST /comments/{comment_id}/approve": Row(
        ACT, ("/comments/{comment}/approve", "/comments/{held}/approve")
    ),
    "PATCH /posts/{post_id}": Row(CHANGE, ("/posts/{post}",)),
    "DELETE /posts/{post_id}": Row(CHANGE, ("/posts/{post}",)),
    "PUT /posts/{post_id}/like": Row(CHANGE, ("/posts/{post}/like",)),
    "DELETE /posts/{post_id}/like": Row(CHANGE, ("/posts/{post}/like",)),
    "POST /posts/{post_id}/comments": Row(CHANGE, ("/posts/{post}/comments",)),
    "PATCH /comments/{comment_id}": Row(ACT, ("/comments/{comment}",)),
    "DELETE /comments/{comment_id}": Row(ACT, ("/comments/{comment}",)),
    "PUT /comments/{comment_id}/like": Row(ACT, ("/comments/{comment}/like",)),
    "DELETE /comments/{comment_id}/like": Row(ACT, ("/comments/{comment}/like",)),
    "PATCH /media/{media_id}": Row(CHANGE, ("/media/{media}",)),
    "DELETE /media/{media_id}": Row(CHANGE, ("/media/{media}",)),
    "POST /media/{media_id}/complete": Row(CHANGE, ("/media/{media}/complete",)),
    "PATCH /posts/waiting/{waiting_post_id}": Row(CHANGE, ("/posts/waiting/{post}",)),
    "DELETE /posts/waiting/{waiting_post_id}": Row(CHANGE, ("/posts/waiting/{post}",)),
    "PATCH /users/me": Row(ELSEWHERE),
    "PATCH /users/me/commenting": Row(ELSEWHERE),
    "DELETE /users/me": Row(ELSEWHERE),
    "DELETE /users/me/sessions": Row(ELSEWHERE),
    "DELETE /users/me/sessions/{session_id}": Row(ELSEWHERE),
    "POST /media": Row(ELSEWHERE),
    "POST /media/uploads": Row(ELSEWHERE),
    "POST /posts": Row(ELSEWHERE),
}
# What operations show of the neutral person's, with the owner in it.
ALSO_SHOWING = {
    "/users/{neutral}/followers": "GET /users/{username}/followers",
    "/users/{neutral}/following": "GET /users/{username}/following",
    "/users/{neutral}/timeline": "GET /users/{username}/timeline",
    "/posts?author={neutral}": "GET /posts",
    "/posts/{theirs}": "GET /posts/{post_id}",
    "/posts/{theirs}/likes": "GET /posts/{post_id}/likes",
    "/posts/{theirs}/comments": "GET /posts/{post_id}/comments",
    "/comments/{neutrals}/likes": "GET /comments/{comment_id}/likes",
}
# What operations show of the owner's post, at more addresses.
ALSO_OF_THE_POST = {
    "/comments/{on_theirs}": "GET /comments/{comment_id}",
    "/comments/{on_theirs}/likes": "GET /comments/{comment_id}/likes",
}
# What operations show of a comment there that is held back.
ALSO_HELD = {
    "/comments/{held}": "GET /comments/{comment_id}",
    "/comments/{held}/likes": "GET /comments/{comment_id}/likes",
}
# Reads that need no log-in, if PUBLIC_PAGES is on.
FOR_ANYBODY = {
    "GET /users/{username}",
    "GET /users/{username}/timeline",
    "GET /posts/{post_id}",
    "GET /posts/{post_id}/comments",
}
# Bodies with which a change would be right.
BODIES: dict[str, Any] = {
    "PUT /users/{username}/mute": {"until": None},
    "PATCH /posts/{post_id}": {"caption": "Mine now."},
    "POST /posts/{post_id}/comments": {"text": "Let me in."},
    "PATCH /comments/{comment_id}": {"text": "Mine now."},
    "POST /comments/{comment_id}/approve": {"edited_at": None},
    "PATCH /media/{media_id}": {"alt": "Mine now."},
    "PATCH /posts/waiting/{waiting_post_id}": {"caption": "Mine now."},
}
# To all but their maker these answer that there is no such thing.
ONLY_MAKER = {
    "PATCH /posts/{post_id}",
    "DELETE /posts/{post_id}",
    "PATCH /comments/{comment_id}",
    "DELETE /comments/{comment_id}",
    "PATCH /media/{media_id}",
    "DELETE /media/{media_id}",
    "POST /media/{media_id}/complete",
    "PATCH /posts/waiting/{waiting_post_id}",
    "DELETE /posts/waiting/{waiting_post_id}",
    # No viewer has published the posts of the comments.
    "POST /comments/{comment_id}/approve",
    # The owner asks to follow nobody.
    "POST /follow-requests/{username}/accept",
    "POST /follow-requests/{username}/decline",
}
# What a viewer has done can be undone though the owner is not active, or is blocked by the viewer.
UNDOING = {
    "DELETE /users/{username}/follow",
    "DELETE /users/{username}/follower",
    "DELETE /users/{username}/block",
    "DELETE /users/{username}/close-friend",
    "DELETE /users/{username}/restriction",
}
