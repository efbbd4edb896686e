"""Speak git objects and refs: the only place that does."""
