"""Ways of connecting against each other, in rounds."""
