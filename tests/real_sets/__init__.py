"""Three sets of real pictures for measurements, made on the spot; no picture is in the repository."""
