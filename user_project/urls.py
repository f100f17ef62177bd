"""Where everything of the user server is found."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views import defaults
from django.views.generic import RedirectView

from user_project.api.errors import no_such_address
from user_project.console.emergency import emergency
from user_project.console.home import live
from user_project.console.kill_switch import kill_switch
from user_project.console.quarantine import quarantine
from user_project.console.second_step import second_step
from user_project.web.login import console_login

watched = admin.site.admin_view

urlpatterns = [
    path("admin/live/", watched(live), name="console-live"),
    path("admin/emergency-stop/", watched(emergency), name="emergency"),
    path("admin/kill-switch/<slug:kind>/", watched(kill_switch), name="kill-switch"),
    path("admin/quarantine/<uuid:account_id>/", watched(quarantine), name="quarantine"),
    path("admin/second-step/<int:user_id>/", watched(second_step), name="second-step"),
    path("admin/login/", console_login),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    # REST framework's own login page knows neither the limit nor the second step.
    path(
        "api/auth/login/", RedirectView.as_view(pattern_name="login", query_string=True)
    ),
    path("", include("user_project.api.urls")),
    path("", include("user_project.web.urls")),
]


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer programs with a problem and people with a page."""
    if request.path.startswith("/api/"):
        return no_such_address(request)
    return defaults.page_not_found(request, exception)


handler404 = page_not_found
