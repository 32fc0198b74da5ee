"""How good text is: what the model grants to text it never saw, and how what it writes is made."""
