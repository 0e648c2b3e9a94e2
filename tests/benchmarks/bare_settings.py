"""Django's settings for the views that do nothing."""

SECRET_KEY = "bare"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.benchmarks.bare"
MIDDLEWARE: list[str] = []
USE_I18N = False
REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}
# The worker of the instances asks for it.
MAX_REQUESTS_IN_FLIGHT = 80
