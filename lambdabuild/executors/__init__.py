"""Where actions run. Executors know no graph: they get one ready action at a time."""
