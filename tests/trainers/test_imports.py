import subprocess
import sys

FOREIGN = [
    "alembic",
    "fastapi",
    "fsspec",
    "httpx2",
    "optuna",
    "pandas",
    "plotly",
    "pyarrow",
    "pydantic",
    "ray",
    "rich",
    "sqlalchemy",
    "starlette",
    "sweeper",
    "tokenizers",
    "typer",
    "yaml",
]

CODE = f"""
import importlib, pkgutil, sys, trainers
names = [m.name for m in pkgutil.walk_packages(trainers.__path__, "trainers.")]
for name in names:
    importlib.import_module(name)
print(len(names), *(name for name in {FOREIGN} if name in sys.modules))
"""


def test_every_module_imports_nothing_but_torch_numpy_and_safetensors() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    count, *foreign = done.stdout.split()
    assert int(count) > 15
    assert foreign == []


def test_the_package_itself_imports_nothing() -> None:
    code = "import sys, trainers; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
