"""The application: its public calls, what runs while it is entered, timers, retention, health."""
