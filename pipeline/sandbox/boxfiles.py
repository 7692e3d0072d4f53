"""What a sandbox box finds on its disk: the programs that stand in for a GPU machine's, and files over SFTP."""

import posixpath
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import asyncssh

TORCH = '''"""PyTorch on a sandbox box, SIMULATED: it multiplies nothing and takes the time of a real GPU."""

import time

__version__ = "0.0.0+simulated"
bfloat16 = "bfloat16"
owed = 0.0


class cuda:
    @staticmethod
    def is_available():
        return True

    @staticmethod
    def get_device_name(index=0):
        return "{gpu} (simulated)"

    @staticmethod
    def synchronize():
        global owed
        time.sleep(owed)
        owed = 0.0


def randn(rows, columns, **_):
    return (rows, columns)


def matmul(a, b):
    global owed
    owed += 2 * a[0] * a[1] * b[1] / {flops}
    return (a[0], b[1])
'''
HALFWAY = "halfway"  # among its programs: a training has done half of its steps
TOOLS = ("bash", "curl", "sha256sum", "tar", "setsid", "flock", "env", "awk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A box as its programs describe it. `trainer` is a comma list of the stand-in trainer's faults, "" for none."""

    gpu: str  # as the driver calls it: "NVIDIA GeForce RTX 4090"
    gpus: int
    vram_mb: int
    driver: str
    cuda: float
    disk_gb: float
    step_seconds: float  # of life, for one training step on this GPU
    speed: float
    trainer: str = ""
    tflops: float = 165.0  # of its matrix products, as the stub of torch makes them take
    line: float = 0.0  # bytes a second that its downloads share, here and now; 0: as many as the hub gives


def search_path(own: Path) -> str:
    """PATH of a box: its own programs, then wherever this machine keeps the system's."""
    found = [Path(tool).parent for tool in map(shutil.which, TOOLS) if tool]
    places = [own, *found, Path("/usr/local/bin"), Path("/usr/bin"), Path("/bin")]
    return ":".join(dict.fromkeys(map(str, places)))


def furnish(own: Path, home: Path, build: Build, host_key: str, tunnel: int = 0) -> None:
    """Write the box's own programs into the folder `own`, and what its Python may import into `own`/lib.

    `tunnel`: the port that its curl goes through; 0: straight on.
    """
    (own / "lib").mkdir(parents=True, exist_ok=True)
    (own / "lib" / "torch.py").write_text(TORCH.format(gpu=build.gpu, flops=build.tflops * 1e12), "utf-8")
    (own / HALFWAY).unlink(missing_ok=True)
    training = own / "training.pid"
    scripts = {
        "python": python(build, training, own / "lib"),
        "python3": python(build, training, own / "lib"),
        "nvidia-smi": nvidia_smi(build, training),
        "df": df(build, home),
        "ssh-keyscan": f"echo '127.0.0.1 {host_key}'\n",  # its sshd is ours, on another port than it could know
    }
    if tunnel:
        scripts["curl"] = f'exec {shlex.quote(shutil.which("curl") or "curl")} -p -x http://127.0.0.1:{tunnel} "$@"\n'
    for name, script in scripts.items():
        (own / name).write_text("#!/bin/sh\n" + script, "utf-8")
        (own / name).chmod(0o755)


def python(build: Build, training: Path, lib: Path) -> str:
    """This interpreter. The world's pace is set here, since a trainer is started under `env -i`."""
    settings = {
        "SANDBOX_HALFWAY": str(training.with_name(HALFWAY)),
        "SANDBOX_SPEED": f"{build.speed:g}",
        "SANDBOX_STEP_SECONDS": f"{build.step_seconds:g}",
        "PYTHONPATH": str(lib),
    }
    if build.trainer:
        settings["SANDBOX_TRAINER"] = build.trainer
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())
    return f"""export {exports}
case "$1" in *run.py) echo $$ > {shlex.quote(str(training))} ;; esac
exec {shlex.quote(sys.executable)} "$@"
"""


def nvidia_smi(build: Build, training: Path) -> str:
    """Any --query-gpu of the fields below, as csv without header and units; else the first line of the usual table."""
    return f"""used=312 busy=0
if kill -0 "$(cat {shlex.quote(str(training))} 2>/dev/null)" 2>/dev/null
then used={build.vram_mb * 9 // 10} busy=97
fi
for word; do case "$word" in --query-gpu=*) fields=${{word#--query-gpu=}} ;; esac; done
if [ -z "$fields" ]
then echo "| NVIDIA-SMI {build.driver}   Driver Version: {build.driver}   CUDA Version: {build.cuda:.1f} |"; exit 0
fi
one() {{
  sep=''
  for field in $(echo "$fields" | tr , ' '); do
    case $field in
      index) value=$1 ;;
      name) value='{build.gpu}' ;;
      memory.total) value={build.vram_mb} ;;
      memory.used) value=$used ;;
      memory.free) value=$(({build.vram_mb} - used)) ;;
      utilization.gpu) value=$busy ;;
      temperature.gpu) value=$((38 + busy / 3)) ;;
      driver_version) value={build.driver} ;;
      count) value={build.gpus} ;;
      *) echo "Field \\"$field\\" is not a valid field to query."; exit 2 ;;
    esac
    printf '%s%s' "$sep" "$value"
    sep=', '
  done
  echo
}}
gpu=0
while [ $gpu -lt {build.gpus} ]; do one $gpu; gpu=$((gpu + 1)); done
"""


def df(build: Build, home: Path) -> str:
    """The rented disk, not this machine's: `df -Pk` in 1024-byte blocks, whatever is asked for."""
    total = int(build.disk_gb * 1e9 / 1024)
    return f"""used=$(du -sk {shlex.quote(str(home))} | cut -f 1)
echo 'Filesystem     1024-blocks      Used Available Capacity Mounted on'
echo "overlay {total} $used $(({total} - used)) $((used * 100 / {total}))% /"
"""


class BoxFiles(asyncssh.SFTPServer):
    """SFTP that sees what the box's shell sees: names relative to the home, or absolute ones inside it."""

    def __init__(self, chan: "asyncssh.SSHServerChannel[bytes]", home: Path) -> None:
        super().__init__(chan)
        self._home = str(home).encode()

    def map_path(self, path: bytes) -> bytes:
        """The file on this machine. Raises SFTPNoSuchFile for one that is not the box's."""
        found = posixpath.normpath(posixpath.join(self._home, path))
        if found != self._home and not found.startswith(self._home + b"/"):
            raise asyncssh.SFTPNoSuchFile("No such file")
        return found
