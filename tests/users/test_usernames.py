"""Reserved usernames, and names that look like them."""

import pytest
from django.core.exceptions import ValidationError

from users.models import User
from users.usernames import refuse_reserved_username


@pytest.mark.parametrize(
    "name",
    [
        *("admin", "Admin", "admin.", "admin_", "_admin_", "ad.min", "adm1n", "4dmin", "AdmIn"),
        *("security", "s3curity", "supp0rt", "Soc1alfeed", "me", "m_e", "r00t", "__staff"),
        *("adrnin", "rnoderator", "admin1", "the_admin", "socialfeed.support", "real.admin.2"),
    ],
)
def test_what_looks_like_the_site_itself_is_reserved(name: str) -> None:
    with pytest.raises(ValidationError) as refused:
        User._meta.get_field("username").clean(name, None)
    assert refused.value.messages == ["This username is reserved. Choose another."]


@pytest.mark.parametrize("name", ["ada", "administration", "adminton", "meg", "rooted", "a.b_c.9"])
def test_other_names_are_free(name: str) -> None:
    refuse_reserved_username(name)
