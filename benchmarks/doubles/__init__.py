"""What ours is measured beside: bare loops, the vendors' own SDKs, and stand-ins whose answers cost nothing."""
