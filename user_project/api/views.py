"""The REST API: translate, make one call inward, translate back.

Everything is scoped to the caller; what belongs to another owner does not exist.
"""

from __future__ import annotations

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
from user_project.api.asked import asked
from user_project.api.central_rows import (
    CentralStatus,
    RecommendationsRow,
    SnapshotRow,
)
from user_project.api.idempotency import IdempotentPosts
from user_project.api.inputs import (
    AccountInput,
    CapsInput,
    KeysInput,
    Nothing,
    RecommendationFilter,
    SwitchInput,
    TokenInput,
)
from user_project.api.rows import AccountRow
from user_project.bots import overview, switches


class TokenView(ObtainAuthToken):
    """Exchange user name and password, and a code if one is asked for, for a token."""

    serializer_class = TokenInput


class AccountViewSet(
    IdempotentPosts,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet[Any],
):
    """The caller's exchange accounts."""

    serializer_class = AccountRow
    queryset = ExchangeAccount.objects.all()

    def get_serializer_class(self) -> type[Any]:
        """Let the browsable pages ask for what each call takes."""
        forms: dict[str, type[Any]] = {
            "create": AccountInput,
            "check": Nothing,
            "keys": KeysInput,
            "partial_update": CapsInput,
            "kill_switch": SwitchInput,
        }
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

    @extend_schema(request=KeysInput, responses=AccountRow)
    @action(detail=True, methods=["post"])
    def keys(self, request: Request, pk: str | None = None) -> Response:
        """Test new keys, then put them in place of the old ones."""
        account = self.get_object()
        form = KeysInput(data=request.data)
        form.is_valid(raise_exception=True)
        account_services.replace_keys(
            account=account, now=timezone.now(), **form.validated_data
        )
        return Response(AccountRow(account).data)

    @extend_schema(request=CapsInput, responses=AccountRow)
    def partial_update(self, request: Request, pk: str | None = None) -> Response:
        """Bound what the account's open rounds may take; null takes a bound away."""
        account = self.get_object()
        form = CapsInput(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        caps = {
            name: form.validated_data.get(name, getattr(account, name))
            for name in ("cap_budget", "cap_coin", "cap_cycles")
        }
        account_services.set_caps(account=account, **caps)
        return Response(AccountRow(account).data)

    @extend_schema(request=SwitchInput, responses=AccountRow)
    @action(detail=True, methods=["post"], url_path="kill-switch")
    def kill_switch(self, request: Request, pk: str | None = None) -> Response:
        """Forbid or allow every new order on this account."""
        account = self.get_object()
        form = SwitchInput(data=request.data)
        form.is_valid(raise_exception=True)
        switches.set_kill_switch(
            target=account, by=request.user, now=timezone.now(), **form.validated_data
        )
        account.refresh_from_db()
        return Response(AccountRow(account).data)


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
        wanted = asked(RecommendationFilter, request)
        central, ranking = overview.recommendations_view(now=timezone.now(), **wanted)
        body = {"central": central, "recommendations": ranking}
        return Response(RecommendationsRow(body).data)


class SnapshotViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Any]):
    """What central said, as far as this server still keeps it; newest first."""

    serializer_class = SnapshotRow

    def get_queryset(self) -> QuerySet[Any]:
        """Central's word is the same for every owner."""
        return overview.snapshots()
