"""The chaos suite: `make chaos`, or `python -m tests.chaos --help`; see docs/reliability.md.

It starts a stack of its own and injects faults by a seeded schedule while people use it over HTTP.
Then it waits until all deliveries are done, and compares the acknowledged writes with the data.
"""
