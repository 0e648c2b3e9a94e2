"""The five use cases with a client that openapi-python-client has made, for `mypy --strict`.

`python use_cases.py ORIGIN PICTURE SUFFIX`: two people with new names sign up at ORIGIN. Prints the
id of the post. Runs apart from the tests: `socialfeed_client` exists only where it was generated.
"""

import sys
from io import BytesIO
from pathlib import Path
from typing import TypeVar

from socialfeed_client import AuthenticatedClient, Client
from socialfeed_client.api.accounts import accounts_auth_login_post, accounts_auth_signup_post
from socialfeed_client.api.comments import posts_comments_create
from socialfeed_client.api.graph import users_follow_update
from socialfeed_client.api.likes import posts_like_update
from socialfeed_client.api.media import media_create
from socialfeed_client.api.posts import posts_create, posts_retrieve
from socialfeed_client.api.timelines import timeline_home_retrieve, users_timeline_retrieve
from socialfeed_client.models import (
    CommentDocument,
    FollowState,
    LikeState,
    Login,
    LogInResponse,
    NewCommentRequest,
    NewPostRequest,
    PostDocument,
    ProblemDocument,
    ReadyMedia,
    Signup,
    TimelinePage,
    UploadRequest,
)
from socialfeed_client.types import File

T = TypeVar("T")
PASSWORD = "low-tide-at-dawn"


def expected(answer: object, kind: type[T]) -> T:
    """The answer, if it is of this kind; ends the program if it is an error."""
    if not isinstance(answer, kind):
        raise SystemExit(f"no {kind.__name__}: {answer}")
    return answer


def logged_in(origin: str, username: str) -> AuthenticatedClient:
    """Sign up, and log in."""
    anybody = Client(base_url=origin)
    person = Signup(username=username, email=f"{username}@example.org", password=PASSWORD)
    signed_up = accounts_auth_signup_post.sync(client=anybody, body=person)
    assert expected(signed_up, LogInResponse).data.user.username == username
    login = Login(username=username, password=PASSWORD)
    answer = expected(accounts_auth_login_post.sync(client=anybody, body=login), LogInResponse)
    return AuthenticatedClient(base_url=origin, token=answer.meta.access_token)


def main(origin: str, picture: Path, suffix: str) -> None:
    author_name = f"author_{suffix}"
    author, reader = logged_in(origin, author_name), logged_in(origin, f"reader_{suffix}")
    expected(users_follow_update.sync(author_name, client=reader), FollowState)

    # Create a post.
    file = File(payload=BytesIO(picture.read_bytes()), file_name="picture.jpg")
    upload = media_create.sync(client=author, body=UploadRequest(file=file, alt="A beach"))
    media_id = expected(upload, ReadyMedia).id
    new_post = NewPostRequest(caption="Low tide.", media=[media_id])
    post = expected(posts_create.sync(client=author, body=new_post), PostDocument)
    assert [media.id for media in post.media] == [media_id]

    # View the home timeline, and another user's.
    home = expected(timeline_home_retrieve.sync(client=reader), TimelinePage)
    assert post.id in [shown.id for shown in home.results]
    profile = expected(users_timeline_retrieve.sync(author_name, client=reader), TimelinePage)
    assert [shown.id for shown in profile.results] == [post.id]

    # Comment on a post.
    text = NewCommentRequest(text="Lovely.")
    comment = posts_comments_create.sync(post.id, client=reader, body=text)
    reply = NewCommentRequest(text="So it is.", reply_to=expected(comment, CommentDocument).id)
    replied = posts_comments_create.sync(post.id, client=author, body=reply)
    assert expected(replied, CommentDocument).reply_to == expected(comment, CommentDocument).id

    # Like a post.
    liked = expected(posts_like_update.sync(post.id, client=reader), LikeState)
    assert (liked.liked, liked.counts.likes) == (True, 1)
    shown = expected(posts_retrieve.sync(post.id, client=reader), PostDocument)
    assert (shown.viewer.liked, shown.counts.comments) == (True, 2)

    # What is wrong is said in the same form everywhere.
    problem = expected(posts_retrieve.sync("1", client=reader), ProblemDocument)
    assert (problem.status, problem.type_) == (404, "/problems/not-found")
    print(post.id)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
