"""Bots: options, state, the owner's hand on a running round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from user_project.api.idempotency import IdempotentPosts
from user_project.api.inputs import (
    AmountInput,
    BotChange,
    BotInput,
    NameInput,
    Nothing,
    StageInput,
    SwitchInput,
    TakeProfitInput,
)
from user_project.api.rows import BotRow, BotStatus, CycleRow, PreviewRow
from user_project.bots import (
    option_changes,
    overview,
    owner_actions,
    services,
    switches,
)
from user_project.bots.models import Bot
from user_project.bots.options import options_of


class BotViewSet(IdempotentPosts, mixins.ListModelMixin, viewsets.GenericViewSet[Any]):
    """The caller's bots: preview, create, start, pause, resume, finish, stop."""

    serializer_class = BotRow
    queryset = Bot.objects.all()

    def get_serializer_class(self) -> type[Any]:
        """Let the browsable pages ask for what each call takes."""
        return FORMS.get(self.action or "", Nothing)

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

    @extend_schema(request=BotChange, responses=BotStatus)
    def partial_update(self, request: Request, pk: str | None = None) -> Response:
        """Change options for the next round; some only while the bot is idle."""
        bot = self.get_object()
        form = self._form(BotChange)
        options = replace(options_of(bot), **form.changes())
        changed = option_changes.update_options(
            bot=bot, options=options, now=timezone.now()
        )
        return self._status(changed)

    @extend_schema(request=None, responses=BotStatus)
    @action(detail=True, methods=["post"], url_path="stop-and-sell")
    def stop_and_sell(self, request: Request, pk: str | None = None) -> Response:
        """Sell the coins at the market, then stop."""
        return self._act(services.stop_and_sell)

    @extend_schema(request=NameInput, responses={201: BotRow})
    @action(detail=True, methods=["post"])
    def clone(self, request: Request, pk: str | None = None) -> Response:
        """Make a bot with the same options."""
        bot = self.get_object()
        name = self._form(NameInput).validated_data.get("name", "")
        copy = services.clone_bot(bot=bot, name=name, now=timezone.now())
        return Response(BotRow(copy).data, status=201)

    @extend_schema(request=AmountInput, responses=BotStatus)
    @action(detail=True, methods=["post"], url_path="buy-now")
    def buy_now(self, request: Request, pk: str | None = None) -> Response:
        """Buy more at the market, beside the plan."""
        return self._do(owner_actions.buy_now, AmountInput)

    @extend_schema(request=TakeProfitInput, responses=BotStatus)
    @action(detail=True, methods=["post"], url_path="take-profit")
    def take_profit(self, request: Request, pk: str | None = None) -> Response:
        """Take profit of the running round at another share."""
        return self._do(owner_actions.change_take_profit, TakeProfitInput)

    @extend_schema(request=StageInput, responses=BotStatus)
    @action(detail=True, methods=["post"], url_path="skip-stage")
    def skip_stage(self, request: Request, pk: str | None = None) -> Response:
        """Do not buy one stage of the running round."""
        return self._do(owner_actions.skip_stage, StageInput)

    @extend_schema(request=None, responses=BotStatus)
    @action(detail=True, methods=["post"], url_path="release-coins")
    def release_coins(self, request: Request, pk: str | None = None) -> Response:
        """End the round without a sale; its coins are the owner's alone."""
        bot = self.get_object()
        owner_actions.release_coins(bot=bot, by=request.user, now=timezone.now())
        return self._status(self.get_object())

    @extend_schema(request=SwitchInput, responses=BotStatus)
    @action(detail=True, methods=["post"], url_path="kill-switch")
    def kill_switch(self, request: Request, pk: str | None = None) -> Response:
        """Forbid or allow every new order of this bot."""
        bot = self.get_object()
        asked = self._form(SwitchInput).validated_data
        switches.set_kill_switch(
            target=bot, by=request.user, now=timezone.now(), **asked
        )
        return self._status(self.get_object())

    @extend_schema(responses=CycleRow(many=True))
    @action(detail=True)
    def cycles(self, request: Request, pk: str | None = None) -> Response:
        """List the rounds of one bot, newest first."""
        page = self.paginate_queryset(self.get_object().cycles.all())
        return self.get_paginated_response(CycleRow(page, many=True).data)

    def _form(self, serializer: type[Any]) -> Any:
        form = serializer(data=self.request.data)
        form.is_valid(raise_exception=True)
        return form

    def _do(self, change: Callable[..., Any], serializer: type[Any]) -> Response:
        """Change the running round as the body asks."""
        bot = self.get_object()
        asked = self._form(serializer).validated_data
        change(bot=bot, now=timezone.now(), **asked)
        return self._status(self.get_object())

    def _act(self, change: Callable[..., Bot]) -> Response:
        return self._status(change(bot=self.get_object(), now=timezone.now()))

    def _status(self, bot: Bot) -> Response:
        view = overview.bot_view(bot=bot, now=timezone.now())
        return Response(BotStatus(view).data)


FORMS: dict[str, type[Any]] = {
    "create": BotInput,
    "preview": BotInput,
    "list": BotRow,
    "metadata": BotRow,
    "partial_update": BotChange,
    "clone": NameInput,
    "buy_now": AmountInput,
    "take_profit": TakeProfitInput,
    "skip_stage": StageInput,
    "kill_switch": SwitchInput,
}
"""What each call takes, for the browsable pages."""
