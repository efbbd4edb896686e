"""Hold the features, one module each, unaware of each other."""
