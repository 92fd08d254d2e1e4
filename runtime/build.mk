runtime_SRC := runtime/attach.c runtime/check.c runtime/config.c runtime/config_spec.c \
	runtime/container.c runtime/control.c runtime/control_client.c runtime/guest.c runtime/hooks.c \
	runtime/image.c runtime/launch.c runtime/launch_params.c \
	runtime/message.c runtime/monitor.c runtime/monitor_exec.c runtime/monitor_signals.c \
	runtime/monitor_verbs.c runtime/mountpoints.c runtime/net.c runtime/net_config.c runtime/net_links.c \
	runtime/net_redirect.c runtime/net_tap.c runtime/netlink.c runtime/plan.c runtime/plan_check.c runtime/plan_mounts.c runtime/plan_overlay.c runtime/plan_shares.c \
	runtime/plan_size.c runtime/proc.c runtime/relay.c runtime/state.c runtime/status.c runtime/stdio.c \
	runtime/store.c runtime/text.c
