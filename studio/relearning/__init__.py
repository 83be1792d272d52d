"""Retrains the model from the studio's corrections: by a button, and by itself, as a process of its own."""
