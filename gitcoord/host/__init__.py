"""Reach the machine: clocks, processes, shipped files."""
