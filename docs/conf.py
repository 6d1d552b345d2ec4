"""Sphinx configuration; ``make docs`` builds with warnings as errors."""

from __future__ import annotations

import flask_jwtsession

project = "flask_jwtsession"
copyright = "The flask_jwtsession authors"
version = release = flask_jwtsession.__version__

extensions = ["sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
default_role = "any"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = "flask_jwtsession"
html_copy_source = False
html_show_sphinx = False
