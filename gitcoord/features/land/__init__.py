"""Land phases on the target, and roll back."""
