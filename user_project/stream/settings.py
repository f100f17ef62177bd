"""Settings of the stream's process: the user server's, without its pages."""

from __future__ import annotations

from user_project.settings import *  # noqa: F403

ROOT_URLCONF = "user_project.stream.urls"
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
]
