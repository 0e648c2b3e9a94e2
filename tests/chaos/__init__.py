"""The chaos suite: `make chaos`, or `python -m tests.chaos --help`; see docs/reliability.md.

It owns a stack, breaks it by a seeded schedule while people use it over HTTP, waits until nothing
is on its way any more, and then compares what was acknowledged with what is there.
"""
