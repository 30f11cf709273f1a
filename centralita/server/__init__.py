"""Where objects meet: the command line, configuration, wiring and the care of processes."""
