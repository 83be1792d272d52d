"""A new model proves itself on live images before it answers all of them."""
