"""The commands of `recordings`, one module each: what it asks of `storage`, and what it prints."""
