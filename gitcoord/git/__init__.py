"""Run the git program: worktrees, merges, results."""
