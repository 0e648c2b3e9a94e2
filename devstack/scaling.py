"""Starts and stops instances of a stack, so that no request is lost."""

import time
from collections.abc import Collection, Mapping

from devstack import instances
from devstack.instances import Instances
from devstack.layout import StackError
from devstack.lifecycle import START_LIMIT, STOP_LIMIT, Stack
from devstack.supervisor import POLL_INTERVAL


def scale(stack: Stack, wanted: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """Run so many instances of each role in `wanted`; the other roles stay as they are.

    Returns the names of the instances that were started, and of those that were stopped. The web
    server asks all possible ones each second whether they take requests. Those with the highest
    numbers stop: an API after its last answer, a worker after its task, but not later than
    `SECONDS_TO_STOP`. The numbers are remembered; if the stack is down, that is all. When a new
    instance does not answer, all stays as it was, and StackError is raised. After an interruption,
    call it again.
    """
    stack.run_dir.mkdir(parents=True, exist_ok=True)
    with stack.lock():
        before = instances.remembered(stack.layout.var_dir)
        numbers = {**before, **wanted}
        stack.use_instances(numbers)
        programs = stack.supervisor.programs()
        if not programs:
            instances.remember(stack.layout.var_dir, numbers)
            return [], []
        stack.refuse_other_settings({name for name in programs if _is_fixed(name)}, _is_fixed)
        needed = {service.name for service in stack.services}
        running = {name for name, program in programs.items() if program.pid}
        started = sorted(name for name in needed - running if not _is_fixed(name))
        stopped = sorted(programs.keys() - needed)
        _start(stack, started, before)
        instances.remember(stack.layout.var_dir, numbers)
        _stop(stack, stopped)
    return started, stopped


def _is_fixed(name: str) -> bool:
    """Whether this is a service of which there is one."""
    return instances.role_of(name) is None


def _start(stack: Stack, names: Collection[str], before: Instances) -> None:
    """Start instances, and wait until they answer; all of them, or none."""
    added = [service for service in stack.services if service.name in names]
    if not added:
        return
    stack.check_ports(added)
    stack.say(f"Starting {', '.join(service.name for service in added)}.")
    deadline = time.monotonic() + START_LIMIT
    try:
        stack.supervisor.add(added, services=stack.services)
        for service in added:
            if service.before_start is not None:
                service.before_start()
            stack.supervisor.start_program(service.name)
        for service in added:
            stack.await_service(service, deadline)
    except BaseException:
        stack.use_instances(before)
        former = {service.name for service in stack.services}
        _stop(stack, [name for name in names if name not in former])
        raise


def _stop(stack: Stack, names: Collection[str]) -> None:
    """Stop instances, all at once, and remove their programs when they have ended."""
    programs = stack.supervisor.programs()
    names = [name for name in names if name in programs]
    if not names:
        return
    stack.say(f"Stopping {', '.join(names)}.")
    deadline = time.monotonic() + STOP_LIMIT
    for name in names:
        stack.supervisor.stop_program(name)
    while running := stack.running(names):
        if time.monotonic() > deadline:
            raise StackError(f"{', '.join(running)} did not end in time; call this again.")
        time.sleep(POLL_INTERVAL)
    stack.supervisor.remove(names, services=stack.services)
