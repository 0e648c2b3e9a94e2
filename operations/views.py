"""The page for staff that explains why a post is, or is not, in a home timeline."""

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from core.http.problems import NotFound
from core.ids import MAX_ID
from core.models import PostsOutboxEvent
from operations.explain.report import explain_home
from users import selectors as user_selectors


class ExplainForm(forms.Form):
    """Which post, in whose home timeline."""

    viewer = forms.CharField(max_length=30, help_text="A username, or an account's id.")
    post = forms.IntegerField(min_value=1, label="Post id")

    def clean_viewer(self) -> int:
        """The viewer's id. A number is an id if there is such an account, else a username."""
        term = self.cleaned_data["viewer"].removeprefix("@")
        if term.isdecimal() and int(term) <= MAX_ID:
            user_id = int(term)
            if user_selectors.accounts(user_ids=[user_id]):
                return user_id
        try:
            return user_selectors.user_id_by_username(username=term, active_only=False)
        except NotFound as error:
            raise forms.ValidationError(error.detail) from error


@require_safe
def explain(request: HttpRequest) -> TemplateResponse:
    """A form, and the explanation below it; for staff who may view the posts outbox."""
    if not request.user.has_perm("core.view_postsoutboxevent"):
        raise PermissionDenied
    # The link from a post fills in only the post: the form shows no error yet.
    is_asked = "viewer" in request.GET
    form = ExplainForm(request.GET) if is_asked else ExplainForm(initial=request.GET.dict())
    context = {
        **admin.site.each_context(request),
        "opts": PostsOutboxEvent._meta,
        "title": "Explain a home timeline",
        "form": form,
    }
    if is_asked and form.is_valid():
        asked = form.cleaned_data
        context["explanation"] = explain_home(viewer_id=asked["viewer"], post_id=asked["post"])
    return TemplateResponse(request, "admin/operations/explain.html", context)
