"""How answers leave: bytes that were rendered before go out as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import JSONRenderer


class WireRenderer(JSONRenderer):
    """JSON; indented only inside the page for people."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the bytes to send."""
        if not isinstance(data, bytes):
            return super().render(data, accepted_media_type, renderer_context)
        if renderer_context and renderer_context.get("indent"):
            return json.dumps(json.loads(data), indent=4, ensure_ascii=False).encode()
        return data
