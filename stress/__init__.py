"""Killing, fuzzing and odd names: what the scripts have to survive."""
