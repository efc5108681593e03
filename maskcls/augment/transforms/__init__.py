"""Transforms: a file for each, found by its name; see augment/base.py for what one has to offer."""
