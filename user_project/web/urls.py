"""Addresses for people."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path

from user_project.web import views
from user_project.web.live import live_consent
from user_project.web.login import LimitedLoginView
from user_project.web.new_bot import new_bot

urlpatterns = [
    path("", views.home, name="home"),
    path("login/", LimitedLoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("bots/new/", new_bot, name="new-bot"),
    path("bots/<uuid:bot_id>/", views.bot, name="bot"),
    path("bots/<uuid:bot_id>/live/", live_consent, name="bot-live"),
    path("bots/<uuid:bot_id>/<slug:action>/", views.act, name="bot-action"),
]
