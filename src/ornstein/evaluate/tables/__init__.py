"""How good, how useful and how private a generated table is, beside a real one: pure functions of data frames."""
