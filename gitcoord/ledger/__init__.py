"""Read, decide, write and swap: the ledger."""
