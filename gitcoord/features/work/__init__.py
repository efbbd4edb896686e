"""Work on tasks: claim, check, hand in, review, lock, escalate."""
