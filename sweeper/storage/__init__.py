"""The database: queue and truth. Open it with `sweeper.storage.store.open_store`."""
