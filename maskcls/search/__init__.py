"""Searching settings: what is searched, who proposes, what became of each trial, what mattered."""
