vmm_vhost_user_SRC :=
