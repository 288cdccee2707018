"""The simulator: an application under thousands of schedules, with delays, failures and crashes, in virtual time."""
