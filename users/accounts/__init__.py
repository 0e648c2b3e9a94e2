"""Sign-up, log-in and what guards them: django-allauth's endpoints, as they behave here."""
