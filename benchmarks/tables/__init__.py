"""Tables made by Ornstein and by its rivals, on the same five real tables, tuned alike."""
