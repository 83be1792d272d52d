"""What a browser makes of the report of a trial."""
