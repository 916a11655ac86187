"""Packaging of pixcl_bench: everything that changes is in `settings.ini`, which nbdev reads too."""

import runpy
import shutil
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

here = Path(__file__).parent
parser = ConfigParser(delimiters=["="], interpolation=None)
parser.read(here / "settings.ini", encoding="utf-8")
cfg = parser["DEFAULT"]
# Run on its own, so that a build needs nothing of what the package needs.
builtin = runpy.run_path(str(here / "pixcl_bench/bench/config/builtin.py"))


def words(key: str) -> list[str]:
    return cfg.get(key, "").split()


class BuildWithProject(build_py):
    """Puts the benchmark project (configuration, notebooks, published records) inside the package
    that is built, never into the source tree. An editable install uses the project of the
    checkout."""

    def run(self) -> None:
        package = Path(self.build_lib) / "pixcl_bench"
        if not self.editable_mode:
            # What an earlier build left there and the sources have no more would be packed as well.
            shutil.rmtree(package, ignore_errors=True)
        super().run()
        if not self.editable_mode:
            for path in builtin["project_files"](here):
                target = package / builtin["COPY"] / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(here / path, target)


setup(
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author=cfg["author"],
    author_email=cfg["author_email"],
    url=cfg["git_url"],
    keywords=cfg["keywords"],
    license="Apache-2.0",
    packages=find_packages(include=["pixcl_bench", "pixcl_bench.*"]),
    # In whichever package they lie: types, the cards of data sets, the templates of pages.
    package_data={
        "": ["py.typed", "*.pyi", "cards/*.toml", "templates/*", "templates/**/*"],
    },
    python_requires=f">={cfg['min_python']}",
    install_requires=words("requirements"),
    extras_require={
        "dev": words("dev_requirements"),
        "cluster": words("cluster_requirements"),
        "dicom": words("dicom_requirements"),
        "text": words("text_requirements"),
        "sentences": words("sentences_requirements"),
        "medmnist": words("medmnist_requirements"),
        "app": words("app_requirements"),
        "faiss": words("faiss_requirements"),
    },
    entry_points={"console_scripts": words("console_scripts")},
    cmdclass={"build_py": BuildWithProject},
    zip_safe=False,
)
