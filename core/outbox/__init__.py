"""The outbox: domain events that reach every subscriber at least once, whatever crashes.

An app declares its events in its `events.py`, and announces each in the transaction of the change.
An app subscribes to an event in its `handlers.py`. Each subscriber gets a row of its own in that
transaction, with its own lease, cursor and retries, so one that fails does not delay the others.

- `events`: declare, announce, subscribe.
- `rows`: the life of a row in SQL.
- `delivery`: call the handler of one row, step by step.
- `tasks`: wake a worker; sweep overdue rows; prune done rows.
- `backlog`, `lookup`: how much is pending; the state of one event.
"""
