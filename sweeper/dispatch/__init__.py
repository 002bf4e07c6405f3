"""From the database through Ray Tune and back: the only door to ray."""
