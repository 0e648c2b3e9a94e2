"""User Info: accounts and profiles."""
