"""One page that tells of one trial, for whoever must decide: no outside address, nothing that runs."""
