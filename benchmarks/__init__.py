"""Measurements beside other implementations; each is a script to be started from the checkout."""
