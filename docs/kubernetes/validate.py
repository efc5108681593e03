"""Check a manifest against a custom resource definition (CRD), as a Kubernetes API server would.

    python docs/kubernetes/validate.py CRD.yaml [MANIFEST.yaml]

CRD.yaml is KubeRay's, of the version that your cluster runs (docs/kubernetes/README.md says where it
is); it is not part of this project. MANIFEST.yaml is rayjob.yaml beside this file unless given;
documents of other kinds in it are passed over. Needs no cluster; PyYAML and jsonschema come with Ray.

A field that the schema does not know is an error, as it is for today's `kubectl apply`; with other
clients the server drops it. So is an empty value, which the server would drop, too. Not looked at:
rules in CEL (x-kubernetes-validations), number formats, and what KubeRay's operator checks itself.
Exit codes: 0 it fits, 1 it does not, 2 the files cannot be used.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

Json = dict[str, Any]


def main(words: list[str]) -> int:
    """Run the command; words are its arguments. Returns the exit code."""
    if len(words) not in (1, 2):
        sys.stderr.write("usage: python docs/kubernetes/validate.py CRD.yaml [MANIFEST.yaml]\n")
        return 2
    manifest = words[1] if len(words) == 2 else str(Path(__file__).with_name("rayjob.yaml"))
    try:
        definition = _one_definition(words[0])
        kind, documents = definition["spec"]["names"]["kind"], _documents(manifest)
    except (OSError, yaml.YAMLError, ValueError) as e:
        sys.stderr.write(f"{e}\n")
        return 2
    ours = [d for d in documents if d.get("kind") == kind]
    if not ours:
        sys.stderr.write(f"{manifest}: holds no {kind}, which {words[0]} defines.\n")
        return 2
    found = [line for document in ours for line in problems(definition, document)]
    for line in found:
        sys.stdout.write(f"{manifest}: {line}\n")
    if not found:
        sys.stdout.write(f"{manifest}: {len(ours)} {kind}, as {words[0]} wants it\n")
    return 1 if found else 0


def problems(definition: Json, document: Json) -> list[str]:
    """What is wrong with a document, a sentence each; none when it fits.

    definition: a CustomResourceDefinition of apiextensions.k8s.io/v1.
    """
    group = definition["spec"]["group"]
    api_version = document.get("apiVersion")
    for version in definition["spec"]["versions"]:
        if api_version == f"{group}/{version['name']}" and version.get("served", True):
            schema = as_json_schema(version["schema"]["openAPIV3Schema"], is_root=True)
            errors = _Validator(schema).iter_errors(document)
            return [f"{_path(e)}: {e.message}" for e in sorted(errors, key=_path)]
    return [f"apiVersion: {api_version} is not served by this definition"]


def as_json_schema(schema: Json, is_root: bool = False) -> Json:
    """A structural schema of Kubernetes as JSON schema, closed to unknown fields.

    is_root: the resource itself, whose metadata is the server's own business.
    """
    made = {k: v for k, v in schema.items() if k not in ("properties", "items", "required")}
    if schema.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
        made.pop("anyOf", None)  # says the same in more words
    elif schema.get("nullable") and "type" in schema:
        made["type"] = [schema["type"], "null"]
    properties = schema.get("properties", {})
    made["properties"] = {
        name: {"type": "object"} if is_root and name == "metadata" else as_json_schema(inner)
        for name, inner in properties.items()
    }
    # The server fills in defaults before it looks for what is missing.
    made["required"] = [
        name for name in schema.get("required", ()) if "default" not in properties.get(name, {})
    ]
    if isinstance(schema.get("items"), dict):
        made["items"] = as_json_schema(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        made["additionalProperties"] = as_json_schema(schema["additionalProperties"])
    elif schema.get("type") == "object" and "additionalProperties" not in schema:
        open_ = ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource")
        made["additionalProperties"] = any(schema.get(key) for key in open_)
    return made


def _no_doubles(
    validator: Any, keys: list[str], items: Any, schema: Json
) -> Iterator[jsonschema.ValidationError]:
    """A list that is a map by these keys has each of them once."""
    properties = schema.get("items", {}).get("properties", {})
    seen: list[list[Any]] = []
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, dict):
            continue
        key = [item.get(name, properties.get(name, {}).get("default")) for name in keys]
        if key in seen:
            which = ", ".join(f"{n} {v}" for n, v in zip(keys, key, strict=True))
            yield jsonschema.ValidationError(f"{which} is there twice")
        seen.append(key)


_Validator = jsonschema.validators.extend(
    jsonschema.Draft7Validator, {"x-kubernetes-list-map-keys": _no_doubles}
)


def _path(error: jsonschema.ValidationError) -> str:
    return ".".join(str(part) for part in error.absolute_path) or "the document"


def _documents(path: str) -> list[Json]:
    with Path(path).open(encoding="utf-8") as file:
        return [d for d in yaml.safe_load_all(file) if isinstance(d, dict)]


def _one_definition(path: str) -> Json:
    found = [d for d in _documents(path) if d.get("kind") == "CustomResourceDefinition"]
    if len(found) != 1:
        raise ValueError(f"{path}: holds {len(found)} CustomResourceDefinitions; give one.")
    return found[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
