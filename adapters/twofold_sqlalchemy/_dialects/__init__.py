"""What databases do differently: connections, columns, statements, catalogs, and errors. One folder for each database."""
