"""Shared vocabulary, no I/O: ids, clock, events, bus, named tasks, errors."""
