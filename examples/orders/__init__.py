"""Orders, the reference domain of Twofold, in the order in which it reads best.

1. `messages`: what can be asked for, what can be asked, what has happened.
2. `domain`: the `Order`, which decides.
3. `commands`: the write side, a handler for each command.
4. `views`: the read side, three read models and the queries that read them.
5. `composition`: where data lives, said once.
6. `importing`: orders from a CSV file, and `figures`, which adds up what the read models say.
7. `__main__`: the command line.
"""
