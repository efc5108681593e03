"""Readers of the user's data folder: tables and lists of images. Pixels are read in maskcls/pixels."""
