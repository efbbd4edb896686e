"""Drive those that race, each in its own interpreter, by its own interface."""
