runtime_SRC := runtime/control.c runtime/control_client.c runtime/launch_params.c runtime/message.c \
	runtime/proc.c runtime/state.c runtime/status.c runtime/store.c runtime/text.c
