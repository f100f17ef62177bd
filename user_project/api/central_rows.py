"""What goes out of the API of central: its age, its ranking, what was kept."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.wire import Recommendation
from user_project.api.rows import UtcTime
from user_project.bots.wording import KIND_NAMES, STEPS


class SnapshotRow(serializers.Serializer[Any]):
    """One answer of central that this server kept."""

    id = serializers.IntegerField()
    run_id = serializers.CharField()
    data_as_of = UtcTime()
    generated_at = UtcTime()
    valid_until = UtcTime()
    next_run_at = UtcTime()
    fetched_at = UtcTime()
    sha256 = serializers.CharField()


class Rung(serializers.Serializer[Any]):
    """One kind of central's data: how far it may be relied upon at its age."""

    kind = serializers.ChoiceField(choices=[kind.value for kind in KIND_NAMES])
    step = serializers.ChoiceField(choices=[step.value for step in STEPS])
    name = serializers.CharField()
    words = serializers.CharField()
    warns_after_seconds = serializers.IntegerField()
    forbids_after_seconds = serializers.IntegerField(
        help_text="Older, no new round begins on it; a running one never needs it."
    )


class CentralStatus(serializers.Serializer[Any]):
    """How old central's analysis is, and what that means."""

    level = serializers.CharField(help_text="fresh, warn, stale, none")
    age_seconds = serializers.IntegerField(allow_null=True)
    run_id = serializers.CharField(allow_null=True)
    data_as_of = UtcTime(allow_null=True)
    message = serializers.CharField()
    ladder = Rung(many=True, source="rungs", help_text="Empty without any analysis.")


class WireField(serializers.Field):  # type: ignore[type-arg]  # not generic at run time
    """A value of the v1 contract, written exactly as central writes it."""

    def to_representation(self, value: Recommendation) -> dict[str, Any]:
        """Dump decimals as text."""
        return value.model_dump(mode="json")


@extend_schema_field(Recommendation)  # type: ignore[arg-type]  # it reads pydantic models
class RecommendationField(WireField):
    """One ranked coin."""


class RecommendationsRow(serializers.Serializer[Any]):
    """The ranking and how old it is."""

    central = CentralStatus()
    recommendations = serializers.ListField(child=RecommendationField())
