"""Keep a ledger and its surroundings sound."""
