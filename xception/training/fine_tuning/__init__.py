"""Fine-tuning: a network learns your own classes from photographs.

`tuning` is the way in. `labelling` lists photographs and what they teach (`task_objective`), `starting_model`
replaces the last layer, `stages` chooses what trains, `preparation` passes everything through the network
once and keeps the frozen part's output (`borders`), `dividing` splits, `session` runs the `loop`,
`run_file` writes, and `saved_run` resumes.
"""
