"""Where everything of the central server is found."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from central_project.console import home, run_now

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/live/", admin.site.admin_view(home.live), name="console-live"),
    path("admin/run-now/", admin.site.admin_view(run_now.run_now), name="run-now"),
    path("admin/", admin.site.urls),
    path("", include("central_project.api.urls")),
]
handler400 = "central_project.api.errors.bad_request"
handler403 = "central_project.api.errors.permission_denied"
handler404 = "central_project.api.errors.page_not_found"
handler500 = "central_project.api.errors.server_error"
