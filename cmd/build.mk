vrun_SRC := cmd/vrun.c cmd/cmd_check.c cmd/cmd_create.c cmd/cmd_checkpoint.c cmd/cmd_features.c cmd/cmd_run.c cmd/create_options.c cmd/options.c cmd/version.c
vrun_vmm_SRC := cmd/vrun_vmm.c
