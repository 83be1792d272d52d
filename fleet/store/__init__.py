"""The fleet's database: its tables, how it is opened, and how one of an earlier version becomes one of this."""
