"""The local stack: real servers from wheels, supervised, at the addresses of `layout`.

`lifecycle.Stack` starts and stops it; `manage.py stack` is its command line. Only `layout` may be
imported by the settings; the rest needs requirements-dev.txt.
"""
