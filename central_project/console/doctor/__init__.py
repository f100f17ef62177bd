"""`doctor`: looks at every part of the server and says what to do about it."""

from __future__ import annotations

from central_project.console.doctor.examine import examine
from central_project.console.doctor.finding import Colour, Finding

__all__ = ["Colour", "Finding", "examine"]
