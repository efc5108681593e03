"""Losses: a file for each, found by its name; see base.py for what one has to offer."""
