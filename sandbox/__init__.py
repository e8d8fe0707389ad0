"""Local stand-ins of the vendors' HTTP APIs: stateful, with the vendors' limits and with faults on demand."""
