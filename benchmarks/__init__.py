"""Benchmarks: a file for each claim about speed, which prints a ratio of two times of one run."""
