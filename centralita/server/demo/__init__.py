"""The demonstration: a small company that can be called a minute after the clone."""
