"""Measure gitcoord against bare libgit2, as ratios within one run."""
