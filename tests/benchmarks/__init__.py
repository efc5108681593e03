"""Benchmarks that anyone can run: python -m tests.benchmarks NAME. No test asserts a time."""
