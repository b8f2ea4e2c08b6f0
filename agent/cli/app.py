"""All commands in one application."""

from __future__ import annotations

from agent.cli.commands import build

app = build()
