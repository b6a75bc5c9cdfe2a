"""The published experiments of HYCO with their strongest rivals, several seeds each."""
