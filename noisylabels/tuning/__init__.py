"""Fair tuning: every method of a study gets the same counted number of trials, judged by noisy labels only."""
