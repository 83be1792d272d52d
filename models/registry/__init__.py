"""Where what is known of models is kept: compiled forms on this machine, and those that a fleet shares."""
