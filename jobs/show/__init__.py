"""What people see: tables, progress, the plan in words, the HTML report. Nothing is computed or stored here."""
