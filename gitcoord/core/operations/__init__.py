"""Hold the operations of the ledger, one file for a topic.

Each topic owns its rules and its rows, ``OPERATIONS``; ``core.machine``
merges them. What several topics share lies beside them: preconditions,
changes, built_on, expiry.
"""
