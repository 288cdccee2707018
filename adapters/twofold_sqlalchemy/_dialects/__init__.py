"""The differences between databases: connections, columns, statements, catalogs, and errors.

One folder for each database.
"""
