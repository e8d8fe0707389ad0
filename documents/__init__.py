"""What people see on paper and in their mail."""
