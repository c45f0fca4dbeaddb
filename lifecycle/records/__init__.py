"""Records: what was done, written down to stay, in logs that show when they were changed."""
