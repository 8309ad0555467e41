"""Fine-tuning: a network learns your own classes from photographs.

`tuning` holds `fine_tune`. `labelling` lists photographs and their targets (`task_objective`),
`starting_model` replaces the last layer, `stages` chooses the layers that train, and `preparation` passes
every photograph through the network once and keeps the output of the frozen part (`borders`). `dividing`
splits, `session` runs the `loop`, `run_file` writes, and `saved_run` resumes.
"""
