"""CACHE and STATE, two Valkeys: clients, and how commands are sent to them.

Other modules import from this package only, not from its modules. Send commands by `exchange` and
scripts by `run_script`: they take half the CPU of redis-py's own methods, and a recording
(`recorded_reads`) sees them.
"""

from core.valkey.clients import ValkeyUnavailable, cache_valkey, state_valkey
from core.valkey.cluster import Cluster, ClusterFactory
from core.valkey.exchanges import Valkey, exchange, exchange_packed
from core.valkey.pool import BreakingPool, CircuitOpen, Pool, SentinelPool
from core.valkey.protocol import Command, packed
from core.valkey.recorder import Recording, UnrecordedRead, holds_until, recorded_reads
from core.valkey.scripts import Call, by_slot, run_script

__all__ = [
    "BreakingPool",
    "Call",
    "CircuitOpen",
    "Cluster",
    "ClusterFactory",
    "Command",
    "Pool",
    "Recording",
    "SentinelPool",
    "UnrecordedRead",
    "Valkey",
    "ValkeyUnavailable",
    "by_slot",
    "cache_valkey",
    "exchange",
    "exchange_packed",
    "holds_until",
    "packed",
    "recorded_reads",
    "run_script",
    "state_valkey",
]
