"""Set up ledgers, agents, trust and hooks."""
