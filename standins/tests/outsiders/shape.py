"""Do objects fit Stripe's own published description of them, with no field it does not know?"""

import json

from jsonschema import Draft202012Validator

# What the public description leaves out, and the typed libraries ask for.
HIDDEN = {"product": {"type", "tax_details"}, "subscription_item": {"plan"}}


def nullable(schema):
    """OpenAPI 3.0 as JSON Schema: `nullable` is one more kind."""
    if isinstance(schema, list):
        return [nullable(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: nullable(part) for name, part in schema.items()}
    if schema.get("nullable") is True:
        return {"anyOf": [{name: part for name, part in schema.items() if name != "nullable"}, {"type": "null"}]}
    return schema


class Shapes:
    """Stripe's description."""

    def __init__(self, path):
        with open(path) as file:
            self.plain = json.load(file)["components"]["schemas"]
        self.components = {"schemas": nullable(self.plain)}
        self.validators = {}

    def complaints(self, thing):
        """What does not fit, in an object or in a list of them."""
        if isinstance(thing, dict) and thing.get("object") == "list":
            return [said for part in thing["data"] for said in self.complaints(part)]
        kind = thing["object"]
        name = "deleted_" + kind if thing.get("deleted") else kind
        if name not in self.validators:
            schema = {"$ref": f"#/components/schemas/{name}", "components": self.components}
            self.validators[name] = Draft202012Validator(schema)
        said = [
            f"{kind} {thing.get('id')}: {'/'.join(map(str, error.absolute_path)) or '.'}: {error.message[:200]}"
            for error in self.validators[name].iter_errors(thing)
        ]
        known = set(self.plain[name].get("properties", {})) | HIDDEN.get(kind, set())
        said += [f"{kind} {thing.get('id')}: no such field: {field}" for field in sorted(set(thing) - known)]
        return said
