"""What people write: terms files, records of usage and events, and what contradicts itself in them."""
