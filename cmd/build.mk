vrun_SRC := \
	cmd/cmd_check.c \
	cmd/cmd_checkpoint.c \
	cmd/cmd_compare.c \
	cmd/cmd_completion.c \
	cmd/cmd_console.c \
	cmd/cmd_create.c \
	cmd/cmd_delete.c \
	cmd/cmd_events.c \
	cmd/cmd_exec.c \
	cmd/cmd_features.c \
	cmd/cmd_kill.c \
	cmd/cmd_list.c \
	cmd/cmd_manual.c \
	cmd/cmd_pause.c \
	cmd/cmd_ps.c \
	cmd/cmd_run.c \
	cmd/cmd_spec.c \
	cmd/cmd_start.c \
	cmd/cmd_state.c \
	cmd/cmd_top.c \
	cmd/cmd_update.c \
	cmd/commands.c \
	cmd/compare/blast.c \
	cmd/compare/bundle.c \
	cmd/compare/cost.c \
	cmd/compare/facts.c \
	cmd/compare/filters.c \
	cmd/compare/print_html.c \
	cmd/compare/print_json.c \
	cmd/compare/print_table.c \
	cmd/compare/report.c \
	cmd/compare/stack.c \
	cmd/compare/surface.c \
	cmd/compare/trace.c \
	cmd/completion.c \
	cmd/create_options.c \
	cmd/help.c \
	cmd/manual.c \
	cmd/options.c \
	cmd/term.c \
	cmd/version.c \
	cmd/vrun.c

vrun_vmm_SRC := \
	cmd/options.c \
	cmd/version.c \
	cmd/vmm_serve.c \
	cmd/vrun_vmm.c

# Static, as the agent: it runs inside of containers.
probe_SRC := \
	cmd/compare/probe.c \
	cmd/compare/probe_attempts.c \
	cmd/compare/probe_bench.c \
	cmd/compare/probe_facts.c
