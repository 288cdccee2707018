"""Reports, a third service: the read side of orders, fed by the broker and kept in Redis."""
