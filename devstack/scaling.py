"""Starts and stops instances of a stack, so that no request is lost."""

import time
from collections.abc import Collection, Mapping

from devstack import instances
from devstack.instances import Instances
from devstack.layout import StackError
from devstack.lifecycle import START_LIMIT, STOP_LIMIT, Stack
from devstack.supervisor import POLL_INTERVAL

WEB_SERVER = "caddy"


def scale(stack: Stack, wanted: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """Run so many instances of each role in `wanted`; the other roles stay as they are.

    Returns the names of the instances that were started, and of those that were stopped. A new one
    gets requests when it answers. Those with the highest numbers stop: each first finishes what it
    works on. The numbers are remembered; if the stack is down, that is all. When a new instance
    does not answer, all stays as it was, and StackError is raised. After an interruption, call it
    again.
    """
    stack.run_dir.mkdir(parents=True, exist_ok=True)
    with stack.lock():
        before = instances.remembered(stack.layout.var_dir)
        numbers = {**before, **wanted}
        stack.use_instances(numbers)
        if not stack.supervisor.is_running():
            instances.remember(stack.layout.var_dir, numbers)
            return [], []
        run = _instances_in(stack, stack.supervisor.programs())
        needed = _instances_in(stack, {service.name for service in stack.services})
        started, stopped = sorted(needed - run), sorted(run - needed)
        _start(stack, started, before)
        instances.remember(stack.layout.var_dir, numbers)
        instances.write_web_server_file(stack.layout, numbers)
        stack.supervisor.signal_program(WEB_SERVER, "USR1")
        _stop(stack, stopped)
    return started, stopped


def _instances_in(stack: Stack, names: Collection[str]) -> set[str]:
    """The instances of roles among the names. Raises StackError if the others are not the stack's.

    They are not when the stack was started with other `*_URL` than this process has.
    """
    roles = {name for name in names if instances.role_of(name) is not None}
    fixed = {s.name for s in stack.services if instances.role_of(s.name) is None}
    if unknown := (set(names) - roles) ^ fixed:
        raise StackError(
            f"The stack runs with other settings than these (they differ in "
            f"{', '.join(sorted(unknown))}). Scale it with the settings that it was started with."
        )
    return roles


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
        _stop(stack, names)
        raise


def _stop(stack: Stack, names: Collection[str]) -> None:
    """Stop instances, all at once, and remove their programs when they have ended."""
    if not names:
        return
    stack.say(f"Stopping {', '.join(names)}.")
    for name in names:
        stack.supervisor.stop_program(name)
    deadline = time.monotonic() + STOP_LIMIT
    while any(stack.supervisor.programs()[name].pid for name in names):
        if time.monotonic() > deadline:
            raise StackError(f"{', '.join(names)} did not all end in time; call this again.")
        time.sleep(POLL_INTERVAL)
    stack.supervisor.remove(names, services=stack.services)
