"""The outside world on loopback: real sockets, real files, the real lies. Nothing is rented; time runs faster, never skips."""
