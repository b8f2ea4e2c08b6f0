"""Wayside: the agent in the box on the pole. Rooms and layers are drawn in docs/architecture.md."""

__version__ = "0.1.0"
