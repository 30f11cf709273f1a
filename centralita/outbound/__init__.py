"""Calls to the outside: who may make which, how many, how long, at what cost."""
