"""Run the shards of a job on Spark: `job.run(each=spark_each)`."""

from pyspark.sql import SparkSession


def spark_each(function, shards):
    context = SparkSession.builder.getOrCreate().sparkContext
    # A task for each shard, of one core. Spark tries a task four times (spark.task.maxFailures), then gives
    # up: the job runs what is missing once more, carefully.
    tasks = context.parallelize(shards, len(shards))
    return tasks.map(lambda shard: function(shard)).collect()
