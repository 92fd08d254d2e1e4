vmm_vhost_user_SRC := vmm/vhost_user/messages.c vmm/vhost_user/memory.c vmm/vhost_user/rings.c \
	vmm/vhost_user/backend.c vmm/vhost_user/serve.c
