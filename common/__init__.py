"""Code that several systems share, one subject per file."""
