"""Run the shards of a job on Ray: `job.run(each=ray_each)`."""

from contextlib import suppress

import ray


def ray_each(function, shards):
    @ray.remote(num_cpus=1, max_retries=3, retry_exceptions=[OSError])
    def call(shard):
        return function(shard)

    running = [call.remote(shard) for shard in shards]
    while running:
        [done], running = ray.wait(running)
        with suppress(ray.exceptions.WorkerCrashedError):  # the job runs this shard once more, carefully
            yield ray.get(done)
