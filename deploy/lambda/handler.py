"""AWS Lambda: the handler. The model is loaded when the function starts, once for many calls.

Set the variable MODEL to the model's file; CLASS_NAMES to a file of names, if the model has none.
"""

import os

from xception.server.aws_lambda import create_handler

handler = create_handler(os.environ.get("MODEL", "model.keras"), class_names=os.environ.get("CLASS_NAMES"))
