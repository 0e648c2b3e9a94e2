"""Metrics: `shared` by all processes (in STATE), `local` to this process, and their `page`."""
