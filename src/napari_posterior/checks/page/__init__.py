"""The report as a page, pictures and tables."""
