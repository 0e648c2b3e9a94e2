"""A Valkey Cluster: which of its servers has a key, and exchanges with several of them at once.

redis-py's client of a cluster finds the servers and learns which slots they have. Its own methods
are for what is rare. Exchanges go past them, over the same pools, as they do on a single server.
"""

import random
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import redis
from django_redis.pool import ConnectionFactory
from redis.cluster import ClusterNode, get_node_name
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    RedisClusterException,
    ResponseError,
    SlotNotCoveredError,
    TryAgainError,
)

from core.valkey.parts import (
    KEY_AT,
    REDIRECTIONS,
    MarkElsewhere,
    NotReplicated,
    Part,
    Route,
    round_trip,
)
from core.valkey.pool import BreakingPool, CircuitOpen
from core.valkey.protocol import Command
from core.valkey.recorder import paused_recording

_SCRIPT_CALLS = frozenset({"EVAL", b"EVAL", "EVALSHA", b"EVALSHA"})
_LISTS_OF_KEYS = frozenset({"MGET", b"MGET", "UNLINK", b"UNLINK"})
# An exchange follows redirections so often. One is usual, and two while slots move.
_ATTEMPTS = 6


class Cluster(redis.RedisCluster):
    """redis-py's client of a cluster, and `exchange`."""

    # What is known about the servers is asked for again at most, and at least, so often. At least,
    # because nothing else would say that a server has a replica now.
    REFRESH_SECONDS = 1.0
    TRUST_SECONDS = 30.0

    def __init__(self, url: str, hosts: Iterable[tuple[str, int]], **options: Any) -> None:
        self._hosts = list(hosts)
        nodes = [_node(host, port) for host, port in self._hosts]
        with _no_primary_is_unavailable():
            super().__init__(url=url, startup_nodes=nodes, require_full_coverage=False, **options)
        self._refreshing = threading.Lock()
        self._refreshed_at = time.monotonic()
        self._trusted_until = self._refreshed_at + self.TRUST_SECONDS
        # Servers that are just being given their first slots.
        self._newcomers: dict[str, ClusterNode] = {}
        # Of each slot that was asked for. All slots of a server have equal routes.
        self._routes: dict[int, Route] = {}
        # By names of servers: for `Route.mark`.
        self._marks: dict[str, bytes] = {}
        # The names of the primaries that have a replica in step.
        self._replicated: set[str] = set()
        self._note_replicas()

    def exchange(self, commands: Sequence[Command], *, is_read: bool) -> list[Any]:
        """The replies to commands, in order, error replies among them; one round trip as a rule.

        Those for different servers are done in any order. Unless `is_read`, a reply means that a
        replica has the write, too, if the server has any: a replica that takes over must not show
        what was true before. Raises `ValkeyUnavailable`; some commands may have been done then.
        """
        if time.monotonic() > self._trusted_until:
            self._refresh()
        replies: list[Any] = [None] * len(commands)
        parts = self._parts(range(len(commands)), commands)
        for _ in range(_ATTEMPTS):
            failures: dict[str, Exception] = {}
            again: list[int] = []
            for part, outcome in zip(parts, round_trip(parts, is_read=is_read), strict=True):
                if isinstance(outcome, Exception):
                    if isinstance(outcome, MarkElsewhere):
                        self._learn([], ())
                    else:
                        failures[_server(part.route)] = outcome
                    again += part.places
                    for place in part.places:
                        replies[place] = None
                    continue
                for place, reply in zip(part.places, outcome, strict=True):
                    replies[place] = reply
                    if isinstance(reply, REDIRECTIONS):
                        again.append(place)
                    elif isinstance(reply, ClusterDownError):
                        failures[_server(part.route)] = reply
                        again.append(place)
            if not again:
                return replies
            parts = self._parts_again(again, commands, replies, failures, is_read=is_read)
        raise redis.ConnectionError(f"The servers sent a command elsewhere {_ATTEMPTS} times.")

    def _parts(self, places: Iterable[int], commands: Sequence[Command]) -> list[Part]:
        """Commands by the servers that have their keys. Raises `SlotNotCoveredError`."""
        routes = self._routes
        parts: dict[Route, Part] = {}
        for place in places:
            command = commands[place]
            key_at = KEY_AT.get(command[0], 1)
            if 0 < key_at < len(command):
                key = command[key_at]
                slot = key_slot(key if isinstance(key, bytes) else str(key).encode())
                route = routes.get(slot) or self._route(slot)
                part = parts.get(route)
                if part is None:
                    part = parts[route] = Part(route)
                part.places.append(place)
                part.commands.append(command)
            else:
                primaries = self.nodes_manager.get_nodes_by_server_type("primary")
                if not primaries:
                    raise SlotNotCoveredError("No server of the cluster has a slot.")
                for node in primaries if key_at == 0 else [random.choice(primaries)]:  # noqa: S311
                    route = Route(self._pool(node))
                    part = parts.setdefault(route, Part(route))
                    part.places.append(place)
                    part.commands.append(command)
        return list(parts.values())

    def _parts_again(
        self,
        places: Sequence[int],
        commands: Sequence[Command],
        replies: list[Any],
        failures: Mapping[str, Exception],
        *,
        is_read: bool,
    ) -> list[Part]:
        """The parts of commands that were redirected, or whose servers failed.

        Raises the failure of a server that still has the slot, as far as anybody knows.
        """
        moved = [replies[place] for place in places if isinstance(replies[place], MovedError)]
        if failures or moved:
            self._learn(moved, failures)
        asked: dict[str, Part] = {}
        routed: list[int] = []
        for place in places:
            reply = replies[place]
            if isinstance(reply, TryAgainError):
                replies[place] = self._each_key(commands[place], reply, is_read=is_read)
            elif isinstance(reply, AskError) and not isinstance(reply, MovedError):
                node = self._asked_node(reply)
                part = asked.setdefault(node.name, Part(self._route_to(node), is_asking=True))
                part.ask(place, commands[place])
            else:
                routed.append(place)
        parts = [*self._parts(routed, commands), *asked.values()]
        for part in parts:
            failure = failures.get(_server(part.route))
            if failure and (part.route.replica_ms or not isinstance(failure, NotReplicated)):
                raise failure
        return parts

    def _each_key(self, command: Command, error: TryAgainError, *, is_read: bool) -> Any:
        """The reply to a command with several keys, some of which have moved already: it is done
        for each key alone.
        """
        if command[0] in _SCRIPT_CALLS:
            end = 3 + int(command[2])
            singles = [(*command[:2], 1, key, *command[end:]) for key in command[3:end]]
        elif command[0] in _LISTS_OF_KEYS:
            singles = [(command[0], key) for key in command[1:]]
        else:
            return error
        if len(singles) == 1:
            return error
        answers = self.exchange(singles, is_read=is_read)
        for answer in answers:
            if isinstance(answer, ResponseError):
                return answer
        if all(isinstance(answer, list) for answer in answers):
            return [item for answer in answers for item in answer]
        return sum(answers)

    def _learn(self, moved: Sequence[MovedError], failures: Iterable[str]) -> None:
        """Note which servers have slots that others no longer have."""
        if time.monotonic() - self._refreshed_at > self.REFRESH_SECONDS:
            self._refresh(last=next(iter(failures), None))
        for error in moved:
            with suppress(KeyError):  # no server had this slot: the next refresh finds it
                self.nodes_manager.move_slot(error)
        self._trusted_until = min(self._trusted_until, self._refreshed_at + self.REFRESH_SECONDS)
        self._forget_routes()

    def _refresh(self, last: str | None = None) -> None:
        """Ask for the servers and their slots; ask the server named `last` after all others.

        If none answers, those of the URL are asked: all may have got other addresses. While one
        thread does this, the others go on with what is known.
        """
        if not self._refreshing.acquire(blocking=False):
            return
        known = self.nodes_manager.startup_nodes
        others = [host for host in self._hosts if get_node_name(*host) not in known]
        try:
            with paused_recording(), _no_primary_is_unavailable():
                self.nodes_manager.initialize(
                    additional_startup_nodes_info=others,
                    disconnect_startup_nodes_pools=False,
                    last_failed_node_name=last,
                )
        finally:
            self._refreshed_at = time.monotonic()
            self._trusted_until = self._refreshed_at + self.TRUST_SECONDS
            self._newcomers = {}
            self._note_replicas()
            self._forget_routes()
            self._refreshing.release()

    def _note_replicas(self) -> None:
        """Note which primaries have a replica that is in step. While some have and others have not,
        as after a failover, the servers are soon asked again.
        """
        shards = {id(nodes): nodes for nodes in self.nodes_manager.slots_cache.values()}.values()
        self._replicated = {nodes[0].name for nodes in shards if len(nodes) > 1}
        if self._replicated and any(nodes[0].name not in self._replicated for nodes in shards):
            self._trusted_until = self._refreshed_at + 2 * self.REFRESH_SECONDS

    def _route(self, slot: int) -> Route:
        """The way to a slot that was not asked for since the servers were. Raises
        `SlotNotCoveredError`.
        """
        routes, nodes = self._routes, self.nodes_manager.slots_cache.get(slot)
        if not nodes and time.monotonic() - self._refreshed_at > self.REFRESH_SECONDS:
            self._refresh()
            routes, nodes = self._routes, self.nodes_manager.slots_cache.get(slot)
        if not nodes:
            raise SlotNotCoveredError(f"No server has slot {slot}.")
        return routes.setdefault(slot, self._route_to(nodes[0]))

    def _route_to(self, node: ClusterNode) -> Route:
        pool = self._pool(node)
        if node.name not in self._replicated:
            return Route(pool)
        # Valkey ends a WAIT up to 100 ms late.
        patience = pool.connection_kwargs.get("socket_timeout") or 1.0
        mark = self._marks.get(node.name) or self._marks.setdefault(node.name, self._mark(node))
        return Route(pool, round(500 * patience), mark) if mark else Route(pool)

    def _mark(self, node: ClusterNode) -> bytes:
        """A key in one of a server's slots, by chance: a slot may be moving. Empty: it has none."""
        slots = self.nodes_manager.slots_cache
        for _ in range(10 * REDIS_CLUSTER_HASH_SLOTS):
            key = b"waited:v1:%d" % random.randrange(10**6)  # noqa: S311
            if node in slots.get(key_slot(key), [])[:1]:
                return key
        return b""

    def _pool(self, node: ClusterNode) -> Any:
        return (node.redis_connection or self.get_redis_connection(node)).connection_pool

    def _forget_routes(self) -> None:
        self._routes, self._marks = {}, {}

    def _asked_node(self, error: AskError) -> ClusterNode:
        known = self.nodes_manager.get_node(error.host, error.port)
        name = get_node_name(error.host, error.port)
        return known or self._newcomers.setdefault(name, _node(error.host, error.port))


@contextmanager
def _no_primary_is_unavailable() -> Iterator[None]:
    """redis-py takes the first of all primaries, which fails if the servers have no slots yet."""
    try:
        yield
    except IndexError as error:
        raise RedisClusterException("No server of the cluster has a slot.") from error


def _server(route: Route) -> str:
    """The name of a server, as redis-py has it."""
    options = route.pool.connection_kwargs
    return str(get_node_name(options["host"], options["port"]))


def _node(host: str, port: int) -> ClusterNode:
    return ClusterNode(host, port)  # type: ignore[no-untyped-call]


class ClusterFactory(ConnectionFactory):  # type: ignore[misc]
    """Makes a `Cluster` for django-redis. Its option `CLUSTER_HOSTS` names some of the servers."""

    # When no server answered, by the hosts. Each thread has a factory of its own.
    _failed_at: ClassVar[dict[tuple[tuple[str, int], ...], float]] = {}

    def connect(self, url: str) -> Cluster:
        """The client. Raises `ValkeyUnavailable`; then the servers are not asked for a moment."""
        hosts = tuple(self.options["CLUSTER_HOSTS"])
        failed_at = self._failed_at.get(hosts, -BreakingPool.OPEN_SECONDS)
        if time.monotonic() - failed_at < BreakingPool.OPEN_SECONDS:
            raise CircuitOpen("The circuit is open: no server answered a moment ago.")
        options = self.make_connection_params(url)
        try:
            return Cluster(hosts=hosts, connection_pool_class=self.pool_cls, **options)
        except RedisClusterException:
            self._failed_at[hosts] = time.monotonic()
            raise

    def disconnect(self, connection: Cluster) -> None:
        """Close a client's connections."""
        connection.disconnect_connection_pools()  # type: ignore[no-untyped-call]
