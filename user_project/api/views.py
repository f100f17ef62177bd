"""The REST API: translate, make one call inward, translate back.

Everything is scoped to the caller; what belongs to another owner does not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, viewsets
from rest_framework.authtoken.views import ObtainAuthToken
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from user_project.accounts import services as account_services
from user_project.accounts.models import ExchangeAccount
from user_project.api.inputs import (
    AccountInput,
    BotFilter,
    BotInput,
    Nothing,
    OrderFilter,
    RecommendationFilter,
)
from user_project.api.rows import (
    AccountRow,
    BotRow,
    BotStatus,
    CentralStatus,
    CycleRow,
    EventRow,
    OrderRow,
    PreviewRow,
    RecommendationsRow,
)
from user_project.api.throttling import LoginThrottle
from user_project.bots import overview, services
from user_project.bots.models import Bot, BotEvent, Cycle, Order


class TokenView(ObtainAuthToken):
    """Exchange user name and password for an API token."""

    throttle_classes = (LoginThrottle,)


class AccountViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Any]
):
    """The caller's exchange accounts."""

    serializer_class = AccountRow
    queryset = ExchangeAccount.objects.all()

    def get_serializer_class(self) -> type[Any]:
        """Let the browsable pages ask for what each call takes."""
        forms = {"create": AccountInput, "check": Nothing}
        return forms.get(self.action or "", AccountRow)

    def get_queryset(self) -> QuerySet[ExchangeAccount]:
        """Only the caller's."""
        return ExchangeAccount.objects.for_user(self.request.user)

    @extend_schema(request=AccountInput, responses={201: AccountRow})
    def create(self, request: Request) -> Response:
        """Check the keys with the exchange, then store them sealed."""
        form = AccountInput(data=request.data)
        form.is_valid(raise_exception=True)
        account = account_services.create_account(
            owner=request.user, now=timezone.now(), **form.validated_data
        )
        return Response(AccountRow(account).data, status=201)

    @extend_schema(request=None, responses=AccountRow)
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: str | None = None) -> Response:
        """Ask the exchange whether the keys still work."""
        account = self.get_object()
        account_services.check_account(account=account, now=timezone.now())
        account.refresh_from_db()
        return Response(AccountRow(account).data)


class BotViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Any]):
    """The caller's bots: preview, create, start, pause, resume, finish, stop."""

    serializer_class = BotRow
    queryset = Bot.objects.all()

    def get_serializer_class(self) -> type[Any]:
        """Let the browsable pages ask for what each call takes."""
        if self.action in ("create", "preview"):
            return BotInput
        return BotRow if self.action in ("list", "metadata") else Nothing

    def get_queryset(self) -> QuerySet[Bot]:
        """Only the caller's."""
        return Bot.objects.for_user(self.request.user).select_related("account")

    @extend_schema(responses=BotStatus)
    def retrieve(self, request: Request, pk: str | None = None) -> Response:
        """Return one bot with the numbers of its running round."""
        return self._status(self.get_object())

    @extend_schema(request=BotInput, responses={201: BotRow})
    def create(self, request: Request) -> Response:
        """Create a bot; it places nothing before it is started."""
        form = BotInput(data=request.data)
        form.is_valid(raise_exception=True)
        bot = services.create_bot(
            owner=request.user, options=form.options(), now=timezone.now()
        )
        return Response(BotRow(bot).data, status=201)

    @extend_schema(request=BotInput, responses=PreviewRow)
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """Show every order a bot would place now; nothing is stored or sent."""
        form = BotInput(data=request.data)
        form.is_valid(raise_exception=True)
        preview = services.preview_bot(
            owner=request.user, options=form.options(), now=timezone.now()
        )
        return Response(PreviewRow(preview).data)

    @extend_schema(request=None, responses=BotStatus)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str | None = None) -> Response:
        """Begin to trade."""
        return self._act(services.start_bot)

    @extend_schema(request=None, responses=BotStatus)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str | None = None) -> Response:
        """Buy nothing new; the take profit stays managed."""
        return self._act(services.pause_bot)

    @extend_schema(request=None, responses=BotStatus)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str | None = None) -> Response:
        """Buy again."""
        return self._act(services.resume_bot)

    @extend_schema(request=None, responses=BotStatus)
    @action(detail=True, methods=["post"])
    def finish(self, request: Request, pk: str | None = None) -> Response:
        """Finish the running round, then stop."""
        return self._act(services.finish_bot)

    @extend_schema(request=None, responses=BotStatus)
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, pk: str | None = None) -> Response:
        """Cancel open orders and stop; coins bought stay on the exchange."""
        return self._act(services.stop_bot)

    @extend_schema(responses=CycleRow(many=True))
    @action(detail=True)
    def cycles(self, request: Request, pk: str | None = None) -> Response:
        """List the rounds of one bot, newest first."""
        page = self.paginate_queryset(self.get_object().cycles.all())
        return self.get_paginated_response(CycleRow(page, many=True).data)

    def _act(self, change: Callable[..., Bot]) -> Response:
        return self._status(change(bot=self.get_object(), now=timezone.now()))

    def _status(self, bot: Bot) -> Response:
        view = overview.bot_view(bot=bot, now=timezone.now())
        return Response(BotStatus(view).data)


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
        return rows.filter(**_asked(OrderFilter, self.request))


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
        return rows.filter(**_asked(BotFilter, self.request))


class CentralView(APIView):
    """How old central's analysis is."""

    @extend_schema(responses=CentralStatus)
    def get(self, request: Request) -> Response:
        """Return age and meaning of the newest snapshot."""
        return Response(CentralStatus(overview.central_view(now=timezone.now())).data)


class RecommendationsView(APIView):
    """Central's ranking as this server last received it."""

    @extend_schema(
        parameters=[OpenApiParameter("limit", int, description="1..50")],
        responses=RecommendationsRow,
    )
    def get(self, request: Request) -> Response:
        """Return at most *limit* coins and the age of the data."""
        asked = _asked(RecommendationFilter, request)
        central, ranking = overview.recommendations_view(now=timezone.now(), **asked)
        body = {"central": central, "recommendations": ranking}
        return Response(RecommendationsRow(body).data)


def _asked(serializer: type[Any], request: Request) -> dict[str, Any]:
    form = serializer(data=request.query_params)
    form.is_valid(raise_exception=True)
    values: dict[str, Any] = form.validated_data
    return values
