"""edit_config.py FOLDER JSON OUT: copies FOLDER with JSON merged into config.json."""
import json
import pathlib
import shutil
import sys


def merge(into, changes):
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


source, changes, out = sys.argv[1:4]
shutil.copytree(source, out)
path = pathlib.Path(out, "config.json")
config = json.loads(path.read_text())
merge(config, json.loads(changes))
path.write_text(json.dumps(config))
