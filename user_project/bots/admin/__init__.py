"""Operators' view of bots, by subject.

Orders, fills and the ledger are facts: nobody adds, edits or deletes them here.
"""

from __future__ import annotations

from django.contrib import admin

from user_project.bots.admin import bots, safety, trade

__all__ = ["bots", "safety", "trade"]

admin.site.site_header = "단타로 사용자 서버"
admin.site.site_title = "단타로 사용자 서버"
admin.site.index_title = "봇과 주문"
