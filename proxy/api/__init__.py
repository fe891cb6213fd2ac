"""The only rooms that know HTTP in: the door (connections, deadlines, drain), the guard, auth and the endpoints."""
