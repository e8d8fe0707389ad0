"""The memory: the only folder with SQL."""
