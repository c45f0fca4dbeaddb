"""Facts: what the published snapshot knows, as a decision needs it. Objects are counted, never fetched."""
