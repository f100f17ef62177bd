"""Addresses of the public API, its documentation and the health checks."""

from __future__ import annotations

from django.urls import include, path
from drf_spectacular.views import (
    SpectacularAPIView,
    SpectacularRedocView,
    SpectacularSwaggerView,
)

from central_project.api import health, metrics, report_card, views

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("version", health.version),
    path("metrics", metrics.metrics, name="metrics"),
    path(
        "api/v1/recommendations",
        views.RecommendationsView.as_view(),
        name="recommendations",
    ),
    path(
        "api/v1/support-levels/<str:symbol>",
        views.SupportLevelsView.as_view(),
        name="support-levels",
    ),
    path(
        "api/v1/market-status", views.MarketStatusView.as_view(), name="market-status"
    ),
    path("api/v1/candles/<str:symbol>", views.CandlesView.as_view(), name="candles"),
    path(
        "api/v1/report-card",
        report_card.ReportCardView.as_view(),
        name="report-card",
    ),
    path("api/v1/bundle", views.BundleView.as_view(), name="bundle"),
    path("api/v1/", views.IndexView.as_view(), name="api-index"),
    path(
        "api/schema", SpectacularAPIView.as_view(throttle_classes=[]), name="api-schema"
    ),
    path(
        "api/docs",
        SpectacularSwaggerView.as_view(url_name="api-schema", throttle_classes=[]),
        name="api-docs",
    ),
    path(
        "api/redoc",
        SpectacularRedocView.as_view(url_name="api-schema", throttle_classes=[]),
        name="api-redoc",
    ),
    path("api/auth/", include("rest_framework.urls")),
]
