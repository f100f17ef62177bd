"""Addresses for programs."""

from __future__ import annotations

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.routers import DefaultRouter

from user_project.api import bot_views, health, money_views, trade_views, views

router = DefaultRouter(trailing_slash=False)
router.register("accounts", views.AccountViewSet, basename="api-account")
router.register("bots", bot_views.BotViewSet, basename="api-bot")
router.register("cycles", trade_views.CycleViewSet, basename="api-cycle")
router.register("orders", trade_views.OrderViewSet, basename="api-order")
router.register("events", trade_views.EventViewSet, basename="api-event")
router.register("fills", trade_views.FillViewSet, basename="api-fill")
router.register("ledger", trade_views.LedgerViewSet, basename="api-ledger")
router.register("snapshots", views.SnapshotViewSet, basename="api-snapshot")

urlpatterns = [
    path("api/v1/", include(router.urls)),
    path("api/v1/token", views.TokenView.as_view(), name="api-token"),
    path("api/v1/pnl", money_views.PnlView.as_view(), name="api-pnl"),
    path(
        "api/v1/pnl/<int:year>.csv",
        money_views.YearView.as_view(),
        name="api-pnl-year",
    ),
    path(
        "api/v1/emergency-stop",
        money_views.EmergencyView.as_view(),
        name="api-emergency",
    ),
    path(
        "api/v1/emergency-stop/<uuid:pk>",
        money_views.EmergencyResultView.as_view(),
        name="api-emergency-result",
    ),
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
