"""The load test: people who use a running service over HTTP, on locust.

`world` makes them and removes them, and `run` starts locust in a process of its own, because it
patches Python's sockets and threads. There `locustfile` does what people do. The two processes
share `plan`, which knows neither Django nor locust.
"""
