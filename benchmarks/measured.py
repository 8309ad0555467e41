"""Measurement of the shards of a job, in whatever process runs them."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Measured:
    """A function of a shard that records what CPU time its process took meanwhile, with all its threads.

    Args:
        function: What is called.
        folder: Where a file is written for each shard.
    """

    function: Any
    folder: str

    def __call__(self, shard: Any) -> Any:
        started, begin = time.monotonic(), time.process_time()
        result = self.function(shard)
        values = {
            "pid": os.getpid(),
            "started": started,
            "cpu": time.process_time() - begin,
            "count": shard.count,
        }
        Path(self.folder, f"{shard.index}.json").write_text(json.dumps(values))
        return result
