"""Hand over: what the engines of the clouds do instead, and the rules of buckets that this needs."""
