"""All ways of the kit to transfer timbre, on the same excerpts, by the same measures."""
