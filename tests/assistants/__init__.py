"""Real coding assistants against a scripted model: ``make assistants-test``."""
