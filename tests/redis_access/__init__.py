"""Redis as others run it: over TLS, and with a user that may do no more than Tidings needs."""
