"""Look at a ledger: every fact that a command shows is made here."""
