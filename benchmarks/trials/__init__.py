"""Trials of new models: what they cost, and how many images they need."""
