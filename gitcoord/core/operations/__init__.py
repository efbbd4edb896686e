"""Hold the operations of the ledger, one file for a topic."""
