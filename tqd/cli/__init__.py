"""The `tqd` command. Each verb imports what it needs, so that `status` and `stop` stay quick."""
