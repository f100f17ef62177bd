"""Rounds, orders, fills, bookings and the diary: to be read."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from user_project.api.asked import asked
from user_project.api.inputs import BotFilter, OrderFilter
from user_project.api.rows import CycleRow, EventRow, FillRow, LedgerRow, OrderRow
from user_project.bots.models import BotEvent, Cycle, Fill, LedgerEntry, Order


class CycleViewSet(mixins.RetrieveModelMixin, viewsets.GenericViewSet[Any]):
    """One round with its frozen plan."""

    serializer_class = CycleRow
    queryset = Cycle.objects.all()

    def get_queryset(self) -> QuerySet[Cycle]:
        """Only rounds of the caller's bots."""
        return Cycle.objects.filter(bot__owner_id=self.request.user.pk)


class OrderViewSet(viewsets.ReadOnlyModelViewSet[Any]):
    """Orders of the caller's bots, newest first."""

    serializer_class = OrderRow
    queryset = Order.objects.all()

    @extend_schema(parameters=[OrderFilter])
    def list(self, request: Request) -> Response:
        """List orders, of one bot or in one state if asked."""
        return super().list(request)

    def get_queryset(self) -> QuerySet[Order]:
        """Only orders of the caller's bots."""
        rows = Order.objects.filter(bot__owner_id=self.request.user.pk)
        if self.action != "list":
            return rows
        return rows.filter(**asked(OrderFilter, self.request))


class EventViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Any]):
    """What happened to the caller's bots, newest first."""

    serializer_class = EventRow
    queryset = BotEvent.objects.all()

    @extend_schema(parameters=[BotFilter])
    def list(self, request: Request) -> Response:
        """List events, of one bot if asked."""
        return super().list(request)

    def get_queryset(self) -> QuerySet[BotEvent]:
        """Only events of the caller's bots."""
        rows = BotEvent.objects.filter(bot__owner_id=self.request.user.pk)
        return rows.filter(**asked(BotFilter, self.request))


class FillViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Any]):
    """Executions of the caller's bots, newest first."""

    serializer_class = FillRow
    queryset = Fill.objects.all()

    @extend_schema(parameters=[BotFilter])
    def list(self, request: Request) -> Response:
        """List executions, of one bot if asked."""
        return super().list(request)

    def get_queryset(self) -> QuerySet[Fill]:
        """Only executions of the caller's bots."""
        rows = Fill.objects.filter(order__bot__owner_id=self.request.user.pk)
        wanted = asked(BotFilter, self.request)
        rows = rows.filter(
            **{f"order__{name}": value for name, value in wanted.items()}
        )
        return rows.select_related("order")


class LedgerViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Any]):
    """Bookings of the caller's bots, oldest first."""

    serializer_class = LedgerRow
    queryset = LedgerEntry.objects.all()

    @extend_schema(parameters=[BotFilter])
    def list(self, request: Request) -> Response:
        """List bookings, of one bot if asked."""
        return super().list(request)

    def get_queryset(self) -> QuerySet[LedgerEntry]:
        """Only bookings of the caller's bots."""
        rows = LedgerEntry.objects.filter(owner_id=self.request.user.pk)
        wanted = asked(BotFilter, self.request)
        return rows.filter(
            **{f"cycle__{name}": value for name, value in wanted.items()}
        )
