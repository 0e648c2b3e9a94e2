"""Staff: how they enter the admin, and whose accounts they may touch."""
