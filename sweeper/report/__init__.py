"""What of a sweep goes to readers: the page with everything, and sources to cite."""
