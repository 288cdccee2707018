"""The event log on PostgreSQL: concurrent appends, and readers that still see every event in order."""
