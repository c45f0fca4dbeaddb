"""Apply: look at everything again, then act chunk by chunk, a receipt for each action."""
