"""Messages that two parsers could read in two ways, sent to a real edge and counted at its upstream."""
