"""Hold the features, in rooms: each knows only the rooms below its own.

From the top: run, maintain, land, work, setup and inspect, workspace.
"""
