"""What looks after the services: removal, reconciliation, explanations, seeds, commands."""
