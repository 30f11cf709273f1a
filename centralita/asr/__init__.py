"""Automatic speech recognition: what was said, on this machine."""
