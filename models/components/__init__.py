"""A model as a device gets it: one ZIP of a version that never changes, which says of each file what it must be."""
