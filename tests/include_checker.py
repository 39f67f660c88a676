#!/usr/bin/env python3
"""Holds every #include under src/ to the arrows of the design.

A folder may include its own headers, the public headers under include/saccade/, and those of the folders that its
CMakeLists.txt names as DEPS, with all that those depend on. The order of src/CMakeLists.txt makes cycles impossible:
DEPS may only name folders listed earlier. Test sources may also include what TEST_DEPS names.
"""

import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]', re.MULTILINE)
LIBRARY = re.compile(r"saccade_library\((\w+)([^)]*)\)")


def declared(text: str, keyword: str) -> list[str]:
    words = text.split()
    if keyword not in words:
        return []
    names = words[words.index(keyword) + 1 :]
    stop = next((i for i, word in enumerate(names) if word.isupper()), len(names))
    return names[:stop]


def main(root: pathlib.Path) -> int:
    source = root / "src"
    order = re.findall(r"add_subdirectory\((\w+)\)", (source / "CMakeLists.txt").read_text())
    errors, allowed, test_deps = [], {}, {}
    for folder in order:
        match = LIBRARY.search((source / folder / "CMakeLists.txt").read_text())
        if match is None:
            continue  # a program: checked by its link line
        deps = declared(match.group(2), "DEPS")
        allowed[folder] = {folder}
        for dep in deps:
            if dep not in allowed:
                errors.append(f"src/{folder}/CMakeLists.txt: DEPS names {dep}, which does not come before it")
                continue
            allowed[folder] |= allowed[dep]
        test_deps[folder] = set().union(*(allowed.get(d, set()) for d in declared(match.group(2), "TEST_DEPS")))
    num_files = 0
    for folder in allowed:
        for path in sorted((source / folder).rglob("*")):
            if path.suffix not in {".h", ".cc"}:
                continue
            num_files += 1
            may = allowed[folder] | (test_deps[folder] if path.name.endswith("_test.cc") else set())
            for name in INCLUDE.findall(path.read_text()):
                top = name.split("/")[0]
                if "/" in name and (source / top).is_dir() and top not in may:
                    errors.append(f"{path.relative_to(root)}: includes {name}, but {folder} does not depend on {top}")
                if name.startswith(".."):
                    errors.append(f"{path.relative_to(root)}: includes {name}; write the path from src/")
    print("\n".join(errors) if errors else f"{num_files} files keep to the arrows")
    return 1 if errors or num_files == 0 else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()))
