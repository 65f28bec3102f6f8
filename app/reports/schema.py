"""The JSON Schema of report.json: every section, block and cell there can be."""

from typing import Any

from app.reports.weekly import SCHEMA_VERSION

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
FLAG: Schema = {"type": "boolean"}
TONE: Schema = {"enum": ["", "concern", "good"]}
DIGEST: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def report_schema() -> Schema:
    """The schema, in draft 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:touchstone:report:{SCHEMA_VERSION}",
        "title": "Touchstone weekly report",
        **_object(
            schema_version={"const": SCHEMA_VERSION},
            week={"type": "string", "pattern": "^[0-9]{4}-W[0-9]{2}$"},
            **{"from": TEXT, "to": TEXT},
            time_zone=TEXT,
            project=TEXT,
            application=_or_null(TEXT),
            generated_at=TEXT,
            revision={"type": "integer", "minimum": 1},
            change_note=TEXT,
            verdict=TEXT,
            sentences=_list(TEXT),
            is_quiet=FLAG,
            findings=_list({"$ref": "#/$defs/finding"}),
            alerts=_list(TEXT),
            actions=_list(_object(**ACTION, why=TEXT, effect=TEXT, edited_by=TEXT)),
            found_actions=_list(_object(**ACTION, why=TEXT, effect=TEXT, edited_by=TEXT)),
            action_edits=_list(_object(**ACTION, dropped=TEXT, editor=TEXT)),
            last_actions=_list(
                _object(**ACTION, state={"enum": ["still", "over", "unknown"]}, words=TEXT)
            ),
            received=COUNT,
            sections=_list({"$ref": "#/$defs/section"}),
            sha256=DIGEST,
        ),
        "$defs": {
            "finding": _finding(),
            "section": _object(
                id=TEXT, name=TEXT, heading=TEXT, note=TEXT, blocks=_list(_ref("block"))
            ),
            "block": {"oneOf": [_ref(name) for name in BLOCKS]},
            "cell": {"oneOf": [_ref(f"cell_{name}") for name in CELLS]},
            "point": POINT,
            "limits": LIMITS,
            **{name: _kind("block", name, fields) for name, fields in BLOCKS.items()},
            **{f"cell_{name}": _kind("cell", name, fields) for name, fields in CELLS.items()},
        },
    }


def _object(**fields: Schema) -> Schema:
    return {
        "type": "object",
        "properties": fields,
        "required": sorted(fields),
        "additionalProperties": False,
    }


def _kind(tag: str, name: str, fields: Schema) -> Schema:
    optional = fields.get("optional", {})
    needed = {key: value for key, value in fields.items() if key != "optional"}
    found = _object(**{tag: {"const": name}}, **needed)
    found["properties"] = {**found["properties"], **optional}
    return found


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _finding() -> Schema:
    kinds = ["worse", "still_worse", "better", "gap", "interaction", "misses_target"]
    return _object(
        kind={"enum": kinds},
        about={"enum": ["failing", "unjudged"]},
        criterion=TEXT,
        slice=SLICE,
        rate=_or_null(SHARE),
        n=COUNT,
        usual=_or_null(SHARE),
        difference=_or_null(NUMBER),
        low=_or_null(NUMBER),
        high=_or_null(NUMBER),
        adjusted_p=_or_null(SHARE),
        target=_or_null(SHARE),
    )


SLICE: Schema = _or_null(_object(key=TEXT, value=TEXT))
KINDS = ["worse", "unjudged", "slice", "target", "unlabelled", "wide", "off"]
CAUSE: Schema = _object(
    kind={"enum": KINDS}, criteria=_list(TEXT), slice=SLICE, size=_or_null(SHARE)
)
ACTION: dict[str, Schema] = {
    "what": TEXT,
    "owner": TEXT,
    "by": {"type": "string", "format": "date"},
    "cause": CAUSE,
}
POINT: Schema = {
    "type": "object",
    "properties": {
        "label": TEXT,
        "rate": _or_null(SHARE),
        "low": _or_null(SHARE),
        "high": _or_null(SHARE),
        "n": _or_null(COUNT),
        "tone": TONE,
    },
    "required": ["label", "rate"],
    "additionalProperties": False,
}
LIMITS: Schema = _object(centre=SHARE, low=_list(SHARE), high=_list(SHARE))
MARK: Schema = _object(
    place=COUNT,
    kind={"enum": ["evaluator", "threshold", "guideline", "release", "return"]},
    label=TEXT,
    text=TEXT,
)
PIECE: Schema = _object(text=TEXT, marked=FLAG)
FOREST_ROW: Schema = _object(
    label=TEXT, difference=NUMBER, low=NUMBER, high=NUMBER, n=COUNT, tone=TONE
)
EXAMPLE: Schema = {"type": "object", "required": ["title", "prompt", "response", "href"]}
CLUSTER: Schema = _object(
    name=TEXT,
    n=COUNT,
    of=TEXT,
    change=TEXT,
    is_news=FLAG,
    example=EXAMPLE,
    href=TEXT,
    listed=COUNT,
)
BLOCKS: dict[str, Schema] = {
    "text": {"text": TEXT, "style": {"enum": ["plain", "note"]}},
    "table": {"caption": TEXT, "columns": _list(TEXT), "rows": _list(_list(_ref("cell")))},
    "folded": {"summary": TEXT, "blocks": _list(_ref("block"))},
    "figures": {"items": _list(_object(label=TEXT, value=COUNT))},
    "facts": {"items": _list(_object(term=TEXT, text=TEXT))},
    "line_chart": {
        "title": TEXT,
        "description": TEXT,
        "points": _list(_ref("point")),
        "limits": _or_null(_ref("limits")),
        "note": TEXT,
        "marks": _list(MARK),
        "target": _or_null(SHARE),
    },
    "forest_chart": {"title": TEXT, "description": TEXT, "rows": _list(FOREST_ROW)},
    "calibration_chart": {
        "title": TEXT,
        "description": TEXT,
        "bins": _list(_ref("point")),
        "scores": _list(SHARE),
    },
    "examples": {"items": _list(EXAMPLE)},
    "clusters": {"items": _list(CLUSTER)},
}
CELLS: dict[str, Schema] = {
    "words": {"text": TEXT, "small": TEXT, "tone": TONE, "href": TEXT},
    "number": {"value": COUNT},
    "coefficient": {
        "value": _or_null(NUMBER),
        "low": _or_null(NUMBER),
        "high": _or_null(NUMBER),
    },
    "share": {
        "n": COUNT,
        "failing": COUNT,
        "rate": _or_null(SHARE),
        "optional": {"low": SHARE, "high": SHARE, "too_few": FLAG, "tone": TONE},
    },
    "estimate": {"rate": SHARE, "low": SHARE, "high": SHARE, "n": COUNT, "of": TEXT, "tone": TONE},
    "ratio": {"value": NUMBER, "low": NUMBER, "high": NUMBER},
    "difference": {
        "value": _or_null(NUMBER),
        "optional": {"low": NUMBER, "high": NUMBER, "tone": TONE},
    },
    "usual": {
        "rate": _or_null(SHARE),
        "low": _or_null(SHARE),
        "high": _or_null(SHARE),
        "weeks": COUNT,
        "optional": {"of": TEXT},
    },
    "spark": {
        "title": TEXT,
        "points": _list(_ref("point")),
        "limits": _or_null(_ref("limits")),
        "optional": {"of": TEXT},
    },
    "state": {"text": TEXT, "tone": TONE},
    "target": {
        "rate": _or_null(SHARE),
        "text": TEXT,
        "tone": TONE,
        "sign": {"enum": ["", "P", "F", "?"]},
    },
}
