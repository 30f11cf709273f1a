"""Where everything is kept: SQLite or PostgreSQL. The only package that knows SQLAlchemy."""
