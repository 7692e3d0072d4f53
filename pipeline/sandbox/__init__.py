"""The outside world on loopback: real sockets, real files, the real lies. Time runs faster, it never skips."""
