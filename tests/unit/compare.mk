unit_TESTS += test_compare
test_compare_SRC := tests/unit/test_compare.c cmd/compare/filters.c cmd/compare/print_html.c cmd/compare/print_json.c \
	cmd/compare/print_table.c cmd/compare/report.c
