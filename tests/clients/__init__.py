"""Clients made from the schema by three generators do the five use cases, without a cast."""
