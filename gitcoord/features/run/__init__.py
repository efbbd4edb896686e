"""Run a whole plan: the runner, batches and the demo."""
