"""Policies that choose the number of workers, compared on traces in virtual time."""
