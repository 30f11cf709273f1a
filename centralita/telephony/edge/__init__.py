"""Kamailio beside us: configured from values, checked, kept alive by the server, and asked."""
