"""The settings under which the stored outputs of the notebooks were made.

Training repeats bit for bit only with one thread and one instruction set: more threads
add in another order, and AVX-512 rounds differently from AVX2. The tests and
tools/run_notebooks.py set these variables before torch is imported.
"""

import os
from collections.abc import MutableMapping

ENVIRONMENT = {
    "CI": "1",  # live curves and progress bars stay quiet
    "COURSE_DATA": "embedded",
    "CUDA_VISIBLE_DEVICES": "",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
}


def apply(environ: MutableMapping[str, str] = os.environ) -> None:
    """Set the variables, and unset those of the caller that could interfere."""
    environ.update(ENVIRONMENT)
    for name in ("COURSE_DATA_DIR", "MPLBACKEND", "PYTHONSTARTUP", "PYTHONWARNINGS"):
        environ.pop(name, None)
