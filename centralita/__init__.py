"""Centralita: a voice-first contact-center server that a company runs on its own machine."""

__version__ = "0.1.0"
