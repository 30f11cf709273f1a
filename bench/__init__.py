"""Measurements: `./dev bench NAME`. Real processes, real SIP and RTP, never part of the tests."""
