"""Checks docs/ahoy.schema.json with a real validator: that it is a schema of draft 2020-12, and that it takes and
refuses the configurations of tests/configurations.json as the library does (tests/configuration.rs)."""

import json
import pathlib
import sys

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    schema = json.loads((ROOT / "docs" / "ahoy.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    passed = failed = 0
    for case in json.loads((ROOT / "tests" / "configurations.json").read_text()):
        if "config" not in case:
            continue  # a text that no parser of JSON would hand on as it is
        wanted = bool(case.get("faults")) and case.get("schema") != "takes it"
        errors = [error.message for error in validator.iter_errors(case["config"])]
        if bool(errors) == wanted:
            passed += 1
        else:
            failed += 1
            print(f"{case['what']}: {'refused: ' + errors[0] if errors else 'taken'}")
    described = examples()
    for text in described:
        errors = [error.message for error in validator.iter_errors(json.loads(text))]
        passed, failed = passed + (not errors), failed + bool(errors)
        for error in errors:
            print(f"docs/configuration.md: {error}")
    if not described:
        failed += 1
        print("docs/configuration.md: has no example")
    print(f"{passed} passed, {failed} failed")
    return failed > 0


def examples():
    """The JSON blocks of the page."""
    blocks = (ROOT / "docs" / "configuration.md").read_text().split("```json\n")[1:]
    return [block.split("```")[0] for block in blocks]


sys.exit(main())
