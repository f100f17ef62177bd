"""What other weights would make of the list that readers get now."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from central_project.market.models import Publication, Recommendation, ScoreSettings


@dataclass(frozen=True, kw_only=True)
class RankChange:
    """One recommended coin before and after."""

    market: str
    korean_name: str
    rank: int
    new_rank: int
    score: Decimal
    new_score: Decimal

    @property
    def climbed(self) -> int:
        """Places gained; negative if lost."""
        return self.rank - self.new_rank

    @property
    def fell(self) -> int:
        """Places lost; negative if gained."""
        return -self.climbed


def reweighed(*, settings: ScoreSettings) -> list[RankChange]:
    """Order the served recommendations by the weights of *settings*, best first.

    Exact for these coins: a score is the weighted sum of the four stored view scores.
    Coins outside the list and the gates are not looked at.
    """
    current = Publication.objects.exclude(current=None).values("current")
    rows = Recommendation.objects.filter(run__in=current)
    scored = [(_score(row, settings), row) for row in rows]
    ordered = sorted(scored, key=lambda pair: (-pair[0], pair[1].market))
    return [
        RankChange(
            market=row.market,
            korean_name=row.korean_name,
            rank=row.rank,
            new_rank=place,
            score=row.score,
            new_score=score,
        )
        for place, (score, row) in enumerate(ordered, 1)
    ]


def _score(row: Recommendation, settings: ScoreSettings, /) -> Decimal:
    total = sum(
        (
            getattr(settings, name) * Decimal(score)
            for name, score in row.scores.items()
        ),
        Decimal(0),
    )
    return total.quantize(Decimal("0.0001"))
