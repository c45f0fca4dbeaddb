"""Decide, pure: facts, a policy and a day become one decision per artifact, each with its reason."""
