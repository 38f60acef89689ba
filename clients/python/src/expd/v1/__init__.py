"""Messages and stubs of the contract, made from proto/expd/v1, also for programs that call the daemon without this library."""
