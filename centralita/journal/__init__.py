"""A durable log of records in files: what has happened is on disk before anybody relies on it."""
