"""Packaging of pixcl_bench: everything that changes is in `settings.ini`, which nbdev reads too."""

from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
parser = ConfigParser(delimiters=["="], interpolation=None)
parser.read(here / "settings.ini", encoding="utf-8")
cfg = parser["DEFAULT"]


def words(key: str) -> list[str]:
    return cfg.get(key, "").split()


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
    package_data={"pixcl_bench": ["py.typed"]},
    python_requires=f">={cfg['min_python']}",
    install_requires=words("requirements"),
    extras_require={
        "dev": words("dev_requirements"),
        "cluster": words("cluster_requirements"),
        "dicom": words("dicom_requirements"),
    },
    entry_points={"console_scripts": words("console_scripts")},
    zip_safe=False,
)
