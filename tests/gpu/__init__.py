"""Checks and figures of one GPU: python -m tests.gpu; see __main__."""
