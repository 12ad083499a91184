"""The simulated venue: an embedded Vest exchange behind an emulated WAN link."""
