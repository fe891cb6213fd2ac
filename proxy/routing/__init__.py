"""Which task a request is, and which model that means. Pure: decides, never waits."""
