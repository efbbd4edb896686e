"""Speak click: the only place that does."""
