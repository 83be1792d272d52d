"""How the tables came to be, a file a step; a step that was released never changes."""
