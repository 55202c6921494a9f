"""``CITATION.cff`` is what citation managers read, and names this version."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]

SCHEMA = {
    "type": "object",
    "required": ["cff-version", "message", "title", "authors"],
    "additionalProperties": False,
    "properties": {
        "cff-version": {"const": "1.2.0"},
        "message": {"type": "string", "minLength": 1},
        "type": {"enum": ["software", "dataset"]},
        "title": {"type": "string", "minLength": 1},
        "abstract": {"type": "string", "minLength": 1},
        "version": {"type": "string"},
        "license": {"type": "string"},
        "keywords": {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
        "authors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": False,
                "properties": {"name": {"type": "string", "minLength": 1}},
            },
        },
        "references": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "title", "authors"],
                "properties": {
                    "type": {"enum": ["conference-paper", "article", "software"]},
                    "year": {"type": "integer"},
                    "authors": {
                        "type": "array",
                        "items": {"type": "object", "required": ["family-names"]},
                    },
                },
            },
        },
    },
}
"""The part of the Citation File Format 1.2.0 that the file uses; a key that is not of it is a mistake."""


def citation() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    return found


def test_it_is_valid() -> None:
    jsonschema.validate(citation(), SCHEMA)


@pytest.mark.parametrize("change", [{"cff-version": 1.2}, {"authors": []}, {"titel": "x"}, {"message": ""}])
def test_a_wrong_one_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(citation() | change, SCHEMA)


def test_it_names_this_version_title_and_licence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    said = citation()
    assert said["title"].split(":")[0] == project["name"]
    assert (said["version"], said["license"]) == (project["version"], project["license"])
    assert said["keywords"] == project["keywords"]
    assert [author["name"] for author in said["authors"]] == ["The noisylabels authors"]
