"""Messages and stubs of the contract, made from proto/expd/v1.

They also serve programs that call the daemon without this library.
"""
