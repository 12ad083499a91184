"""One folder for each kind of question: plan, experiment, summary, sheet."""
