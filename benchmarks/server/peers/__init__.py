"""What runs in the other servers' own environments; imports nothing of this project."""
