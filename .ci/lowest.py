"""Print the lowest versions that pyproject.toml declares, as pip's constraints."""

import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
for requirement in (*project["dependencies"], *project["optional-dependencies"]["test"]):
    print(requirement.split(",")[0].replace(">=", "=="))
