"""What `report` and `train` know of tables. What is here is slow to import: only a handler's own process does."""
