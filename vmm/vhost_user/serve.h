/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve: one device for any vhost-user front-end that connects to a unix socket,
 * for a QEMU that somebody else starts. One connection at a time; when it ends,
 * whatever ended it, the next front-end may come.
 */
#ifndef VRUN_VMM_VHOST_USER_SERVE_H
#define VRUN_VMM_VHOST_USER_SERVE_H

struct err;
struct loop;
struct vdev;
struct vhost_user_server;

/*
 * Listen on `path`, mode 0600. A socket that nobody listens on is replaced; anything
 * else that is there is -EADDRINUSE. `dev` is borrowed until vhost_user_server_free().
 */
int vhost_user_serve(struct loop *loop, struct vdev *dev, const char *path, struct vhost_user_server **ret,
		     struct err *err);
/* Hangs up and removes the socket. NULL is fine. */
void vhost_user_server_free(struct vhost_user_server *server);

#endif
