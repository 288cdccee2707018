"""Orders, the reference domain of Twofold.

Read the modules in this order:

1. `messages`: commands and events.
2. `domain` and `commands`: the aggregate `Order` and the command handlers. `customers` and `catalogue` are ports to other
   systems, and `container` names their implementations.
3. `views` and `read_side`: three read models with their projections and queries.
4. `tables` and `composition`: the tables of the write side, and the composition root that names all stores.
5. `importing`: orders from a CSV file (`csv_rows`, `invoices`), and `figures`, the totals of the read models.
6. `__main__` and `show`: the command line and its output.
7. `http`: the same commands and queries over HTTP, with `http_examples` for the OpenAPI description.
"""
