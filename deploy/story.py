"""The demo's story: one analysis, a few bots, their fills, the closed round, the proof.

Everything is done the way a person or program outside would do it: central's API with
an API key, the user server's API with a token, the exchange with signed reads.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from common.money import plain
from deploy.management import CommandFailed
from deploy.stack import Stack
from deploy.story_clients import ApiError, CentralApi, UserApi
from deploy.story_ledger import LedgerProof, compare_with_exchange

ANALYSIS_SECONDS = 120.0
PULL_SECONDS = 60.0
CYCLE_SECONDS = 300.0
LEDGER_SECONDS = 60.0
POLL_SECONDS = 1.0
SHOWN_RANKS = 10
OPTIONS = {
    "budget": "700000",
    "stages": 5,
    "level": "aggressive",
    "take_profit": "0.005",
    "stage_cooldown_seconds": 5,
    "cycle_cooldown_seconds": 20,
}
"""Small steps and short pauses, so that a round closes while somebody watches."""
AUTO = ""
WAYS: tuple[tuple[str, int | str, dict[str, Any]], ...] = (
    ("each stage larger", 0, {}),
    ("a second bot on the same coin", 0, {"shape": "equal"}),
    ("linear amounts, three stages rest", 1, {"shape": "linear", "resting_stages": 3}),
    (
        "an own table of stages",
        2,
        {
            "stage_table": [
                {"drop": "0", "weight": "1"},
                {"drop": "0.012", "weight": "1.5"},
                {"drop": "0.03", "weight": "2"},
            ]
        },
    ),
    ("trailing take profit", 3, {"trailing": "0.002", "take_profit": "0.004"}),
    ("stop below the last stage", 4, {"stop_below_last": "0.01"}),
    ("protects its break-even", 5, {"break_even_after": "0.004", "max_hold_hours": 24}),
    ("one round only", 6, {"max_cycles": 1}),
    ("chooses its coin, reinvests half", AUTO, {"reinvest": "0.5"}),
    ("chooses its coin, begins again lower", AUTO, {"reentry": "last_sell"}),
)
"""What the ten bots do differently: words, rank of the coin (or its own choice), options."""


class StoryFailed(Exception):
    """The story did not come to its end; the message says at which point."""


def play(stack: Stack) -> bool:
    """Tell the story; True if a round closed and the ledgers equal the exchange."""
    width = None if sys.stdout.isatty() else 120
    console = Console(highlight=False, width=width)
    story = Story(stack, console)
    try:
        story.analysis()
        story.preview()
        story.start_bots()
        story.by_hand()
        story.follow()
        story.proof()
    except (StoryFailed, ApiError) as problem:
        console.print(f"\n[bold red]The story broke off:[/] {problem}")
        return False
    story.addresses()
    return True


class Story:
    """One telling, from the first analysis to the addresses."""

    def __init__(self, stack: Stack, console: Console) -> None:
        self._stack, self._console = stack, console
        self._central = CentralApi(url=stack.central_url, api_key=stack.api_key)
        self._user = UserApi(url=stack.user_url, login=stack.admin)
        self._names: dict[str, str] = {}
        self._seen_events: set[int] = set()

    def analysis(self) -> None:
        """Central looks at the market; show figures, ranking and levels."""
        self._chapter("1. Central looks at the market")
        speed = self._central_market_speed()
        self._say(f"The market runs {speed:g} times as fast as the clock on the wall.")
        answer = self._until(
            self._central.recommendations, seconds=ANALYSIS_SECONDS, what="a ranking"
        )
        shown = ("run_pipeline", "--last", "--json")
        run = json.loads(self._stack.manage("central", *shown).splitlines()[-1])
        self._console.print(_steps_table(run))
        ranked = answer["recommendations"]
        if not ranked:
            raise StoryFailed(
                "no coin passed central's gates in this market; see 'Excluded coins' in"
                f" {self._stack.central_url}/admin/"
            )
        self._say(
            f"{answer['universe_size']} coins looked at, {answer['excluded_count']}"
            f" excluded, the best {len(ranked)} published as run {answer['run_id']}."
        )
        self._console.print(_ranking_table(ranked[:SHOWN_RANKS]))
        self._console.print(self._levels_table([c["symbol"] for c in ranked[:5]]))

    def preview(self) -> None:
        """The user server pulls and shows what a bot would do, in won."""
        self._chapter("2. The user server pulls, and previews a bot")
        self._until(
            self._pulled, seconds=PULL_SECONDS, what="the user server's first pull"
        )
        preview = self._user.post("bots/preview", OPTIONS)
        plan = preview["plan"]
        self._say(
            f"{preview['korean_name']} ({preview['market']}) at"
            f" {_won(preview['price'])}, support {_won(preview['support'])}"
            f" ({preview['level']}):"
        )
        self._console.print(_plan_table(plan["stages"]))
        self._say(
            f"From the first to the last stage {_percent(plan['drop'])}; the rebound"
            f" needed from there {_percent(plan['rebound'])}; worst case, all bought and"
            f" sold there: a loss of {_won(plan['worst_case'])}."
        )

    def start_bots(self) -> None:
        """Ten bots, each in another way; two of them on one coin."""
        self._chapter("3. Ten bots start: paper money, the production order path")
        ranking = self._central.recommendations()["recommendations"]
        ranked = [coin["symbol"] for coin in ranking]
        for words, rank, options in WAYS:
            market = AUTO if rank == AUTO else ranked[int(rank) % len(ranked)]
            self._create({**OPTIONS, **options, "market": market}, words)
        if not self._names:
            raise StoryFailed("no bot could be created")

    def by_hand(self) -> None:
        """The owner's hand: pause and resume, a kill switch, a stop that is only looked at."""
        self._chapter("3b. The owner's hand")
        first, *_, last = self._names
        self._user.post(f"bots/{last}/pause", {})
        self._user.post(f"bots/{last}/resume", {})
        for on in (True, False):
            self._user.post(f"bots/{first}/kill-switch", {"on": on})
        self._say("One bot paused and resumed; one kill switch turned on and off.")
        effects = self._user.post("emergency-stop", {"sell_all": True})["effects"]
        worth = sum(Decimal(effect["estimated_won"] or 0) for effect in effects)
        self._say(
            f"An emergency stop would now concern {len(effects)} bots and sell coins"
            f" worth {_won(str(worth))}; it was only looked at."
        )

    def follow(self) -> None:
        """Print the bots' diaries until a round has closed in profit."""
        self._chapter("4. The bots buy in stages and take profit (their diary)")
        deadline = time.monotonic() + CYCLE_SECONDS
        closed: dict[str, Any] | None = None
        while closed is None:
            if time.monotonic() > deadline:
                raise StoryFailed(
                    f"no round closed within {CYCLE_SECONDS:.0f} s; the bots are at"
                    f" {self._stack.user_url}/"
                )
            for event in self._new_events():
                at = event["at"][11:19]
                self._say(f"{at}Z {self._names[event['bot']]}: {event['message']}")
                if event["kind"] == "cycle.closed":
                    closed = closed or event
            time.sleep(POLL_SECONDS)
        cycle = self._user.get(f"cycles/{closed['cycle']}")
        self._say(
            f"\n[bold]Round closed:[/] {self._names[closed['bot']]} bought for"
            f" {_won(cycle['spent'])} and received {_won(cycle['received'])}, fees taken"
            f" out: [bold]profit {_won(cycle['profit'])}[/]."
        )

    def proof(self) -> None:
        """Compare the bots' ledgers with fresh signed reads of the exchange."""
        self._chapter("5. The ledger against the exchange, digit for digit")
        deadline = time.monotonic() + LEDGER_SECONDS
        while True:
            proof = self._compare()
            if proof.equal:
                break
            if time.monotonic() > deadline:
                self._console.print(_proof_table(proof))
                raise StoryFailed("the ledger does not equal the exchange")
            time.sleep(POLL_SECONDS)
        self._console.print(_proof_table(proof))
        self._say(
            f"{proof.orders} orders and {proof.trades} trades read again one by one:"
            " volumes, amounts and fees equal."
        )
        self._audit(deadline)

    def addresses(self) -> None:
        """Say where to look on."""
        self._chapter("6. Look around")
        name, password = self._stack.admin
        flower_name, flower_password = self._stack.flower_login
        table = Table("what", "where", "login", show_edge=False)
        login = f"{name} / {password}"
        flower = f"{flower_name} / {flower_password}"
        for what, where, who in (
            ("bots (trader)", f"{self._stack.user_url}/", login),
            ("user server admin", f"{self._stack.user_url}/admin/", login),
            ("user server API", f"{self._stack.user_url}/api/docs", login),
            ("central admin", f"{self._stack.central_url}/admin/", login),
            ("central API", f"{self._stack.central_url}/api/docs", "the API key"),
            ("Flower, central", self._stack.flower_url("central"), flower),
            ("Flower, user", self._stack.flower_url("user"), flower),
            ("exchange (simulator)", self._stack.simulator_url, ""),
        ):
            table.add_row(what, where, who)
        self._console.print(table)
        self._say(f"central API key: {self._stack.api_key}")
        file = self._stack.directory / "user.env"
        self._say(f"commands: DANTARO_ENV_FILE={file} .venv/bin/python manage_user.py")

    # --- single steps -----------------------------------------------------------

    def _create(self, options: dict[str, Any], words: str) -> None:
        try:
            bot: dict[str, Any] = self._user.post("bots", options)
        except ApiError as refusal:
            # A coin may have fallen below its levels since the ranking.
            coin = options["market"] or "auto"
            self._say(f"[yellow]{words} ({coin}): {refusal}[/]")
            return
        row = bot.get("bot", bot)
        self._names[row["id"]] = f"{row['name']} {row['market']}".strip()
        self._user.post(f"bots/{row['id']}/start", {})
        self._say(f"{self._names[row['id']]}: {words}, started")

    def _audit(self, deadline: float) -> None:
        """The user server's own check of its books, with fresh reads of the exchange."""
        while True:
            # A fill between two reads looks like a difference for a moment.
            findings = self._findings()
            if findings == "[]":
                break
            if time.monotonic() > deadline:
                raise StoryFailed(f"the audit found {findings[:300]}")
            time.sleep(POLL_SECONDS)
        self._say("manage_user.py audit: every rule of the books holds.")

    def _findings(self) -> str:
        try:
            return self._stack.manage("user", "audit", "--json").splitlines()[-1]
        except CommandFailed as error:
            return str(error)

    def _compare(self) -> LedgerProof:
        access_key, secret_key = self._stack.paper_keys
        return compare_with_exchange(
            user=self._user,
            exchange_url=self._stack.simulator_url,
            access_key=access_key,
            secret_key=secret_key,
            paid_in=Decimal(self._stack.options.paper_won),
        )

    def _new_events(self) -> Iterator[dict[str, Any]]:
        """Yield unseen diary entries, oldest first."""
        newest = self._user.get("events?limit=100")["results"]
        for event in reversed(newest):
            if event["id"] not in self._seen_events:
                self._seen_events.add(event["id"])
                yield event

    def _pulled(self) -> bool:
        return bool(self._user.get("central")["level"] in ("fresh", "warn"))

    def _central_market_speed(self) -> float:
        return self._central.exchange_speed(self._stack.simulator_url)

    def _levels_table(self, symbols: list[str]) -> Table:
        table = Table(title="Support levels (won)")
        for column in ("coin", "price", "7 days", "30 days", "90 days"):
            table.add_column(column, justify="left" if column == "coin" else "right")
        for symbol in symbols:
            answer = self._central.support_levels(symbol)
            levels = answer["levels"]
            table.add_row(
                symbol,
                _won(answer["price"]),
                *(
                    _won(levels[name]["price"]) if levels[name]["price"] else "–"
                    for name in ("aggressive", "moderate", "conservative")
                ),
            )
        return table

    def _until(self, ask: Callable[[], Any], *, seconds: float, what: str) -> Any:
        deadline, problem = time.monotonic() + seconds, ""
        while time.monotonic() < deadline:
            try:
                answer = ask()
            except ApiError as error:
                answer, problem = None, str(error)
            if answer:
                return answer
            time.sleep(POLL_SECONDS)
        raise StoryFailed(f"{what} did not arrive within {seconds:.0f} s. {problem}")

    def _chapter(self, title: str) -> None:
        self._console.print(f"\n[bold]{title}[/]")

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


def _won(text: str) -> str:
    """Write decimal text with separators; whole won above 100."""
    amount = Decimal(text)
    if abs(amount) >= 100:
        return f"{amount:,.0f}원"
    return f"{amount.normalize():,f}원"


def _percent(text: str) -> str:
    return f"{Decimal(text) * 100:.2f} %"


def _steps_table(run: dict[str, Any]) -> Table:
    table = Table(title=f"Analysis run {run['run_id']}")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    table.add_column("figures")
    for name, step in run["steps"].items():
        figures = ", ".join(
            f"{key} {value}" for key, value in step.get("counts", {}).items()
        )
        table.add_row(name, f"{step['seconds']:.1f}", figures)
    return table


def _ranking_table(ranked: list[dict[str, Any]]) -> Table:
    table = Table(title="Top recommendations")
    table.add_column("rank", justify="right")
    table.add_column("coin")
    columns = ("technical", "volume", "volatility", "risk")
    for column in ("price", "score", "techn.", "volume", "calm", "risk"):
        table.add_column(column, justify="right")
    table.add_column("because", no_wrap=True)
    for coin in ranked:
        reasons = coin["reasons"]
        table.add_row(
            str(coin["rank"]),
            f"{coin['korean_name']} {coin['symbol']}",
            _won(coin["price"]),
            coin["score"],
            *(coin["scores"][column] for column in columns),
            reasons[0]["ko"] if reasons else "",
        )
    return table


def _plan_table(stages: list[dict[str, Any]]) -> Table:
    table = Table(title="Preview (won)")
    for column in ("stage", "price", "amount", "average", "break-even", "take profit"):
        table.add_column(column, justify="right")
    for stage in stages:
        names = ("price", "amount", "average", "break_even", "take_profit")
        table.add_row(str(stage["stage"]), *(_won(stage[name]) for name in names))
    return table


def _proof_table(proof: LedgerProof) -> Table:
    table = Table(title="Bots' ledgers and the exchange")
    for column in ("currency", "by the ledgers", "on the exchange", "difference"):
        table.add_column(column, justify="left" if column == "currency" else "right")
    for line in proof.lines:
        table.add_row(
            line.currency, *map(plain, (line.ours, line.theirs, line.difference))
        )
    return table
