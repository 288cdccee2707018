"""Orders, the reference domain of Twofold, in the order in which it reads best.

1. `messages`: what can be asked for, and what has happened.
2. `domain` and `commands`: the `Order`, which decides, and a handler for each command.
3. `views` and `read_side`: three read models, the projections behind them, and what can be asked of them.
4. `tables` and `composition`: where data lives, said once.
5. `importing`: orders from a CSV file (`csv_rows`), and `figures`, which adds up what the read models say.
6. `__main__`: the command line, and `show`, what it prints.
"""
