"""The emulated link: namespaces, devices, the forwarder, and the relay."""
