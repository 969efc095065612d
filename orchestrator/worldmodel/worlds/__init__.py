"""The worlds by name; each is only an adapter."""
