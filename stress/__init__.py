"""Tests that try to break the scripts: killed processes, damaged files, awkward file names."""
