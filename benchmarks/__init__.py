"""Every figure that is quoted anywhere comes from a file in here."""
