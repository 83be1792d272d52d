"""What is promised of trials on the command line, and of their report."""
