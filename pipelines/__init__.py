"""Facts: reads clouds, writes the lake, deletes nothing."""
