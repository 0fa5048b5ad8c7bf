"""Pages: self-contained HTML files that load nothing, with a strict content security policy."""
