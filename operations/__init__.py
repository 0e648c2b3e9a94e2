"""What looks after the services: purge, reconciliation, explanations, seeds, commands."""
