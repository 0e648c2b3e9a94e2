"""Commenting: comments on posts, and their likes."""
