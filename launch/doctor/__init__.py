"""What a machine needs to run this project, checked by subject: each finding with its remedy."""
