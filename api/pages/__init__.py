"""The pages: each is a context dataclass, a template of the same name, and a route."""
