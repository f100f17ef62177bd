"""The only address of the stream's own process."""

from __future__ import annotations

from django.urls import path

from user_project.stream.views import stream

urlpatterns = [path("stream/", stream, name="stream")]
