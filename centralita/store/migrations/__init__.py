"""How a database grows from one release to the next."""
