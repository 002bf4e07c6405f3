"""Results that were trained elsewhere: their neutral form, and the files that hold them."""
