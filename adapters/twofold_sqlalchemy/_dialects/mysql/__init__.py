"""MariaDB 10.6 or MySQL 8.0.19 and later, through asyncmy."""
