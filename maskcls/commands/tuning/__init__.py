"""The parts of `maskcls tune`: trials and their records, fold 0 of all, the best on all folds."""
