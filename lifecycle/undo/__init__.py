"""Undo: the way back, from the receipts."""
