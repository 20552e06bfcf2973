//! Comments, quotes and pipes: how the text of a query falls into commands.
