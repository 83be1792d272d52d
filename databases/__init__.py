"""Databases that this project keeps something in, SQLite and PostgreSQL alike: opened, brought up to date, told of."""
