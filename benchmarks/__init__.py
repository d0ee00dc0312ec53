"""Every speed claim has a file here; each prints a ratio of two things timed in one run."""
