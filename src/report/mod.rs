//! Text for people: CPU diagrams, tables, escaped names.
