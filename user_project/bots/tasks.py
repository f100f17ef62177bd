"""Celery tasks: each only wakes a service; ids in, nothing out."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Collection
from typing import Any, Final

from celery import Task, shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db.utils import DatabaseError, InterfaceError
from django.utils import timezone

from user_project.accounts.models import ExchangeAccount
from user_project.bots import canary as signs
from user_project.bots.models import Bot
from user_project.bots.reconcile import reconcile_account, reconcile_all
from user_project.bots.redis_client import shared_client
from user_project.bots.runner import run_bot
from user_project.central_api.services import pull_if_due

log = logging.getLogger(__name__)

BATCH_BUDGET_SECONDS: Final = 10.0
WAKE_EXPIRES_SECONDS: Final = 10


@shared_task(bind=True, name="bots.run_bots", ignore_result=True)
def run_bots(self: Task[Any, Any], /, *, bot_ids: list[str], **_: Any) -> None:
    """Run a batch of one shard; what does not fit the budget is sent on."""
    worker = self.request.hostname or "worker"
    deadline = time.monotonic() + BATCH_BUDGET_SECONDS
    for position, bot_id in enumerate(bot_ids):
        try:
            is_slow = _run(bot_id, worker)
        except (DatabaseError, InterfaceError) as error:
            log.warning("the database is away, the watcher wakes again: %s", error)
            return
        rest = bot_ids[position + 1 :]
        if rest and (is_slow or time.monotonic() > deadline):
            # One slow exchange call must not hold up the others of the batch.
            queue = str((self.request.delivery_info or {})["routing_key"])
            _send(rest, queue=queue)
            return


def _run(bot_id: str, worker: str) -> bool:
    """Run one bot, whatever becomes of it; True when the others should not wait."""
    try:
        result = run_bot(bot_id=uuid.UUID(bot_id), worker=worker, clock=timezone.now)
    except SoftTimeLimitExceeded:
        log.warning("bot %s took too long", bot_id)
        return True
    return result.ambiguous


def wake(shard: int, bot_ids: list[str]) -> None:
    """Send one wake-up message to the worker of a shard."""
    _send(bot_ids, queue=f"bots.{shard}")


def waiting(shards: Collection[int]) -> dict[int, int]:
    """Return how many messages wait in the queues of these shards.

    Raises redis.RedisError.
    """
    prefix = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
    pipe = shared_client().pipeline(transaction=False)
    for shard in shards:
        pipe.llen(f"{prefix}bots.{shard}")
    return dict(zip(shards, pipe.execute(), strict=True))


def _send(bot_ids: list[str], *, queue: str) -> None:
    run_bots.apply_async(
        kwargs={"bot_ids": bot_ids},
        queue=queue,
        expires=WAKE_EXPIRES_SECONDS,
        # What Flower shows; worked out by Celery it costs as much as the message.
        kwargsrepr=f"{len(bot_ids)} bots, first {bot_ids[0]}",  # type: ignore[call-arg]  # not in the stubs
    )


@shared_task(bind=True, name=signs.TASK, ignore_result=True)
def canary(self: Task[Any, Any], /, *, queue: str, **_: Any) -> None:
    """Show that messages of *queue* come out and that the database can be written."""
    signs.note(queue=queue, worker=self.request.hostname or "worker")


@shared_task(
    name="bots.reconcile_accounts",
    ignore_result=True,
    soft_time_limit=20,
    time_limit=30,
)
def reconcile_accounts(**_: Any) -> None:
    """Compare every account with its exchange."""
    reconcile_all(clock=timezone.now)


@shared_task(
    name="bots.reconcile_one", ignore_result=True, soft_time_limit=20, time_limit=30
)
def reconcile_one(*, account_id: str, **_: Any) -> None:
    """Compare one account with its exchange; nothing if it is not to be used."""
    account = ExchangeAccount.objects.usable().filter(pk=account_id).first()
    if account is not None:
        reconcile_account(account=account, now=timezone.now())


@shared_task(name="central.pull", ignore_result=True)
def pull_central(**_: Any) -> None:
    """Pull central's bundle once."""
    markets = Bot.objects.active().exclude(market="").values_list("market", flat=True)
    pull_if_due(now=timezone.now(), extra_symbols=sorted(set(markets)))
