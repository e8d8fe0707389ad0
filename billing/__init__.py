"""What is owed and what is paid, computed purely: no I/O, no clock, no SQL, no vendor's word."""
