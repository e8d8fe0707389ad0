"""What people see in a browser: thin Flask blueprints."""
