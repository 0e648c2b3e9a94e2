"""Django's settings for the views that do nothing."""

SECRET_KEY = "bare"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.benchmarks.bare"
MIDDLEWARE: list[str] = []
USE_I18N = False
REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}
