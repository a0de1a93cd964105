"""hms-gateway."""
