"""What two or more systems share, one subject per file."""
