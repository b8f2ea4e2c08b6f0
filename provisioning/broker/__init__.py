"""The shipped broker: a mosquitto that knows every node by its certificate and gives each its own branch."""
