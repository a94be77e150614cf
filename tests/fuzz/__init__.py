"""Mutated dump records through the public readers: `python -m tests.fuzz --records 10000`."""
