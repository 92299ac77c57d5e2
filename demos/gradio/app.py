"""What a Hugging Face Space runs; by hand: python demos/gradio/app.py"""

import sys
from pathlib import Path

LANG = "es"  # "es" or "en"
HERE = Path(__file__).resolve().parent

# The course lies beside this file in a Space, and two folders up in a clone; where it
# was installed by pip, neither is needed.
for place in (HERE, HERE.parents[1]):
    if (place / "course_utils").is_dir():
        sys.path.insert(0, str(place))
        break

from course_utils.demos.gradio_app import build_app  # noqa: E402

demo = build_app(LANG)

if __name__ == "__main__":
    demo.launch()
