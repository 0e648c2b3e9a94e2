"""Turns uploaded videos and animated pictures into clean MP4s and a poster, in the sandbox.

`clips` reads videos, `animations` reads pictures that move, `encoding` makes the results.
"""
