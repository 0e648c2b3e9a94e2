"""Post Info: posts and their likes."""
