"""Addresses for programs."""

from __future__ import annotations

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.routers import DefaultRouter

from user_project.api import health, views

router = DefaultRouter(trailing_slash=False)
router.register("accounts", views.AccountViewSet, basename="api-account")
router.register("bots", views.BotViewSet, basename="api-bot")
router.register("cycles", views.CycleViewSet, basename="api-cycle")
router.register("orders", views.OrderViewSet, basename="api-order")
router.register("events", views.EventViewSet, basename="api-event")

urlpatterns = [
    path("api/v1/", include(router.urls)),
    path("api/v1/token", views.TokenView.as_view(), name="api-token"),
    path("api/v1/central", views.CentralView.as_view(), name="api-central"),
    path(
        "api/v1/recommendations",
        views.RecommendationsView.as_view(),
        name="api-recommendations",
    ),
    path("api/schema", SpectacularAPIView.as_view(), name="api-schema"),
    path(
        "api/docs",
        SpectacularSwaggerView.as_view(url_name="api-schema"),
        name="api-docs",
    ),
    path("api/auth/", include("rest_framework.urls")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("version", health.version, name="version"),
]
