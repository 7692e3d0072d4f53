"""What the hub checks of a README before it takes it: the few rules of its front matter that bite."""

import re
from typing import Final

LICENSES: Final = (
    "other", "apache-2.0", "mit", "openrail", "creativeml-openrail-m", "openrail++", "cc", "cc0-1.0", "cc-by-4.0",
    "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0", "bsd", "bsd-3-clause", "gpl-3.0",
    "agpl-3.0", "lgpl-3.0", "unknown",
)  # fmt: skip
FIELD: Final = re.compile(r"(?m)^([A-Za-z_]+):[ \t]*(.*)$")


def complaints(content: str) -> list[str]:
    """Read the front matter; answers what is wrong with it, nothing if all is well."""
    if not content.startswith("---\n"):
        return []
    head, fence, _ = content[4:].partition("\n---")
    if not fence:
        return ["Invalid front matter: no closing ---"]
    if re.search(r"(?m)^[ ]*\t", head):
        return ["Invalid YAML: tabs are not allowed for indentation"]
    fields = {name: value.strip().strip("'\"") for name, value in FIELD.findall(head)}
    wrong = []
    if fields.get("license", "other") not in LICENSES:
        wrong.append(f'"license" must be one of [{", ".join(LICENSES)}]')
    if fields.get("base_model", "-") in ("undefined", "null", "None"):
        wrong.append('"base_model" must be a model id')
    return wrong
