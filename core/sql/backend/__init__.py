"""Django's backend for PostgreSQL, with primaries that have several hosts."""
