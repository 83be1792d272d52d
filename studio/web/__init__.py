"""What browsers ask of the studio over HTTP, and who may ask it."""
