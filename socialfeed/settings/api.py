"""The API: Django REST framework, and the OpenAPI schema."""

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["users.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["core.http.rendering.OrjsonRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "core.http.rendering.OneKindNegotiation",
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "core.http.schema.ProblemAutoSchema",
    "EXCEPTION_HANDLER": "core.http.problems.problem_response",
    "UNAUTHENTICATED_USER": "core.http.callers.AnonymousCaller",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "socialfeed API",
    "DESCRIPTION": (
        "An open photo feed. Sign up and log in under `/_allauth/app/v1/`, then send "
        "`Authorization: Bearer <access token>`. Posts and profiles can be read without it, unless "
        "PUBLIC_PAGES is off. Ids are strings; times are RFC 3339 UTC; errors "
        "are RFC 9457 problem documents; a former username leads to its owner for 14 days, an id "
        "for ever; lists are `{results, next}` with an opaque cursor. "
        "Requests are limited by user and by address: `RateLimit-*` headers say what is left, and "
        "one too many is answered 429 with `Retry-After`."
    ),
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "TAGS": [
        {"name": "accounts", "description": "Sign up, log in, tokens, e-mail, password, TOTP."},
        {"name": "users", "description": "Profiles."},
        {"name": "graph", "description": "Who follows whom."},
        {"name": "privacy", "description": "Who sees what, and who may comment."},
        {"name": "media", "description": "Pictures."},
        {"name": "posts", "description": "Publish, read, edit, delete."},
        {"name": "likes", "description": "Who likes which post or comment."},
        {"name": "comments", "description": "What people say about posts."},
        {"name": "timelines", "description": "Home and profile timelines."},
    ],
    "ENUM_NAME_OVERRIDES": {
        "PostCommentsFromEnum": "posts.serializers.COMMENTS_FROM",
        "CommentsFromEnum": "comments.serializers.COMMENTERS",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "socialfeed.schema.add_account_endpoints",
        "socialfeed.account_schema.describe_account_answers",
        "socialfeed.schema.add_rate_limits",
        "socialfeed.answer_headers.add_headers",
        "socialfeed.problem_types.add_problem_types",
    ],
}
