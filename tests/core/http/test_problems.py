"""Errors of every origin become problem documents."""

from typing import Any

import orjson
import pytest
import redis
from django.contrib.sessions.backends.base import UpdateError
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseNotFound,
    JsonResponse,
)
from django.test import RequestFactory
from redis.exceptions import OutOfMemoryError, ResponseError
from rest_framework import exceptions, serializers

from core.http import problems
from core.http.problems import (
    Problem,
    ProblemMiddleware,
    TooManyRequests,
    document_of,
    problem_response,
)


class Form(serializers.Serializer[Any]):
    media = serializers.ListField(child=serializers.IntegerField(), max_length=1000)
    place = serializers.DictField(child=serializers.IntegerField(), required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        raise serializers.ValidationError("Nothing fits.", code="unfit")


def errors_of(body: Any) -> list[tuple[str, str]]:
    form = Form(data=body)
    with pytest.raises(serializers.ValidationError) as refused:
        form.is_valid(raise_exception=True)
    document = handled(refused.value).data
    assert document["type"] == "/problems/validation"
    for error in document["errors"]:
        assert f"{error['field']}: {error['message']}" in document["detail"]
    return [(error["field"], error["code"]) for error in document["errors"]]


def handled(exception: Exception) -> Any:
    response = problem_response(exception, {})
    assert response is not None
    assert response.headers["Content-Type"] == "application/problem+json"
    vars(response)["data"] = orjson.loads(response.content)
    assert vars(response)["data"]["status"] == response.status_code
    return response


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        pytest.param({}, [("media", "required")], id="a field"),
        pytest.param({"media": [1, "x"]}, [("media.1", "invalid")], id="an item of a list"),
        pytest.param(
            {"media": [1], "place": {"lat": "x"}}, [("place.lat", "invalid")], id="a member"
        ),
        pytest.param([], [("body", "invalid")], id="the whole body"),
        pytest.param(None, [("body", "null")], id="null"),
        pytest.param({"media": [1]}, [("body", "unfit")], id="all fields together"),
    ],
)
def test_nested_field_errors_are_flattened(body: Any, errors: list[tuple[str, str]]) -> None:
    assert errors_of(body) == errors


def test_of_very_many_errors_only_the_first_are_named() -> None:
    errors = errors_of({"media": ["x"] * 500})
    assert errors == [(f"media.{index}", "invalid") for index in range(20)]


@pytest.mark.parametrize(
    ("kind", "status", "type_"),
    [
        (problems.Invalid, 400, "/problems/invalid"),
        (problems.NotFound, 404, "/problems/not-found"),
        (problems.Conflict, 409, "/problems/conflict"),
        (problems.TooLarge, 413, "/problems/too-large"),
        (problems.UnsupportedMedia, 415, "/problems/unsupported-media-type"),
        (problems.Unavailable, 503, "/problems/unavailable"),
    ],
)
def test_a_problem_has_its_status_type_and_detail(
    kind: type[Problem], status: int, type_: str
) -> None:
    response = handled(kind("Do this instead."))
    assert response.status_code == status
    assert response.data["type"] == type_
    assert response.data["detail"] == "Do this instead."
    assert "errors" not in response.data


def test_a_problem_names_its_field_and_code() -> None:
    response = handled(problems.Invalid("Not yours.", field="media", code="unknown_media"))
    assert response.data["type"] == "/problems/unknown-media"
    assert response.data["errors"] == [
        {"field": "media", "code": "unknown_media", "message": "Not yours."}
    ]


@pytest.mark.parametrize(
    "exception",
    [
        OperationalError("server closed the connection"),
        InterfaceError("connection already closed"),
        redis.ConnectionError("refused"),
        redis.TimeoutError("slow"),
        problems.Unavailable("The object store does not answer."),
    ],
    ids=repr,
)
def test_a_store_that_does_not_answer_is_a_503_with_a_time_to_retry(exception: Exception) -> None:
    response = handled(exception)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "closed" not in response.data["detail"], "only the log has the store's words"


@pytest.mark.parametrize(
    ("exception", "status"),
    [
        (Http404("No Post matches"), 404),
        (PermissionDenied(), 403),
        (RequestDataTooBig("x"), 413),
        (SuspiciousOperation("Too many fields."), 400),
        (RecursionError("maximum recursion depth exceeded"), 400),
        (UpdateError(), 401),
        (exceptions.NotAuthenticated(), 401),
        (exceptions.MethodNotAllowed("PUT"), 405),
        (exceptions.ParseError("JSON parse error"), 400),
        (exceptions.UnsupportedMediaType("text/plain"), 415),
    ],
    ids=repr,
)
def test_what_a_client_can_correct_is_explained(exception: Exception, status: int) -> None:
    response = handled(exception)
    assert response.status_code == status
    assert response.data["detail"]
    assert ("WWW-Authenticate" in response.headers) == (status == 401)


def test_a_lone_surrogate_is_the_senders_fault() -> None:
    with pytest.raises(UnicodeEncodeError) as raised:
        "\ud800".encode()
    assert handled(raised.value).status_code == 400


def test_a_bug_is_not_explained_away() -> None:
    with pytest.raises(UnicodeEncodeError) as raised:
        "é".encode("ascii")
    for bug in (KeyError("x"), ValueError("x"), raised.value):
        assert problem_response(bug, {}) is None


def test_over_a_limit_the_time_to_wait_is_the_limits_own() -> None:
    response = handled(exceptions.Throttled(wait=17))
    assert (response.status_code, response.headers["Retry-After"]) == (429, "17")


def through_middleware(response: HttpResponse, path: str = "/_allauth/app/v1/x") -> Any:
    return ProblemMiddleware(lambda request: response)(RequestFactory().get(path))


def test_the_members_of_django_allauth_are_kept_beside_those_of_the_problem() -> None:
    body = {
        "status": 401,
        "data": {"flows": [{"id": "login"}]},
        "meta": {"is_authenticated": False},
    }
    response = through_middleware(JsonResponse(body, status=401))
    document = orjson.loads(response.content)
    assert response["Content-Type"] == "application/problem+json"
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert {key: document[key] for key in body} == body
    assert {key: document[key] for key in ("type", "title")} == {
        "type": "/problems/unauthorized",
        "title": "Unauthorized",
    }
    assert "data.flows" in document["detail"]


def test_the_errors_of_django_allauth_name_their_fields() -> None:
    errors = [
        {"message": "Too short.", "code": "min_length", "param": "password"},
        {"message": "Not now.", "code": "later"},
    ]
    response = through_middleware(JsonResponse({"status": 400, "errors": errors}, status=400))
    document = orjson.loads(response.content)
    assert document["detail"] == "password: Too short. Not now."
    assert [error["field"] for error in document["errors"]] == ["password", "body"]
    assert [error["code"] for error in document["errors"]] == ["min_length", "later"]


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 429, 500, 503])
@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/json"])
def test_an_error_without_an_explanation_gets_one(status: int, content_type: str) -> None:
    answer = HttpResponse(b"{}", status=status, content_type=content_type)
    answer["Content-Length"] = "2"
    response = through_middleware(answer)
    document = orjson.loads(response.content)
    assert document["status"] == status
    assert document["detail"]
    assert response["Content-Length"] == str(len(response.content))
    assert ("Retry-After" in response) == (status in {429, 503})


def test_a_health_check_keeps_its_checks_and_says_its_status_as_a_number() -> None:
    body = {"status": "unavailable", "checks": {"state": False}}
    response = through_middleware(JsonResponse(body, status=503), "/healthz/ready")
    document = orjson.loads(response.content)
    assert (document["status"], document["checks"]) == (503, {"state": False})


def test_a_refused_method_keeps_the_list_of_allowed_methods() -> None:
    response = through_middleware(HttpResponseNotAllowed(["GET", "POST"]))
    assert response["Allow"] == "GET, POST"
    assert orjson.loads(response.content)["status"] == 405


def test_pages_for_people_and_answers_that_are_no_errors_stay_as_they_are() -> None:
    page = HttpResponseNotFound("<h1>Not found</h1>")
    assert through_middleware(page, "/admin/nowhere").content == b"<h1>Not found</h1>"
    assert through_middleware(HttpResponse("fine"), "/api/v1/x").content == b"fine"


def test_a_problem_elsewhere_than_in_the_api_is_a_page() -> None:
    problem = problem_response(TooManyRequests("Wait <17> seconds.", wait=17))
    assert problem is not None
    problem["Content-Length"] = "1"
    page = through_middleware(problem, "/admin/login/")
    assert page["Content-Type"] == "text/html; charset=utf-8"
    assert (page.status_code, page["Retry-After"]) == (429, "17")
    assert b"<h1>Too Many Requests</h1>" in page.content
    assert b"Wait &lt;17&gt; seconds." in page.content
    assert page["Content-Length"] == str(len(page.content))


def test_what_a_view_outside_drf_raises_is_explained_on_the_apis_paths_only() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        raise NotImplementedError

    middleware = ProblemMiddleware(view)
    on_api, on_page = RequestFactory().get("/_allauth/app/v1/x"), RequestFactory().get("/admin/")
    response = middleware.process_exception(on_api, redis.ConnectionError("refused"))
    assert response is not None
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert orjson.loads(response.content)["status"] == 503
    assert middleware.process_exception(on_api, KeyError("x")) is None
    assert middleware.process_exception(on_page, redis.ConnectionError("refused")) is None


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), 503),
        (ResponseError("MISCONF Errors writing to the AOF file"), 503),
        (ResponseError("NOREPLICAS Not enough good replicas to write."), 503),
        (ResponseError("WRONGTYPE Operation against a key"), None),
    ],
)
def test_a_valkey_that_takes_no_writes_is_unavailable(
    error: ResponseError, status: int | None
) -> None:
    document = document_of(error)
    assert (document and document["status"]) == status
