"""Clients that mean harm, speaking raw HTTP/2 frames over TLS, and the well-behaved ones that they must not hurt.

An attacker is given a `Target` and opens its own connection; nothing here knows of pytest, so that a benchmark can use
the same attackers.
"""
