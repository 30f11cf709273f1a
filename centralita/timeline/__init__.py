"""One timeline per customer: who they are, and what was said on every channel, about what."""
