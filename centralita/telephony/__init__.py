"""Calls, legs and what can be done with them."""
