"""Hold the pure core: no I/O, no clock, no git."""
