"""Work with coding assistants: briefs, sessions, hooks, settings."""
