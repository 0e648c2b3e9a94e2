"""The Django project: settings, URLs, Celery, the local stack and what all apps share."""
