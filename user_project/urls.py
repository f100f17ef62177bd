"""Where everything of the user server is found."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("user_project.api.urls")),
    path("", include("user_project.web.urls")),
]
