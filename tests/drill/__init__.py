"""`make drill`: parts of the service are lost for good, under load.

It uses the load, the checkers and the report of `tests.chaos`, which breaks what is restarted.
"""
