"""Keys, and files that only they can open. Knows nothing of what is in the files."""
