"""The application: its public calls, its running state, timers, retention, health."""
