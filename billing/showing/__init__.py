"""What people see of a contract: its whole life, in figures and in words."""
