/* SPDX-License-Identifier: Apache-2.0 */
/* vhost-user server: one device on a socket path, one front-end after another. */
#include "tests/unit/test.h"

#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "tests/unit/vu_front.h"
#include "vmm/vhost_user/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Only its socket goes to the server; its own back-end is let go first. */
static struct front front;
static struct vhost_user_server *server;
static char dir[] = "/tmp/vrun-serve.XXXXXX";
static char path[64];

static int connect_to(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

static int set_up(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	front_init(&front, false, false);
	vhost_user_free(front.backend);
	front.backend = NULL;
	close(front.sock);
	assert_int_equal(vhost_user_serve(front.loop, &front.dev.vdev, path, &server, &err), 0);
	front.sock = connect_to();
	return front.sock >= 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	vhost_user_server_free(server);
	assert_int_equal(access(path, F_OK), -1);
	front_done(&front);
	return rmdir(dir);
}

static void serves_a_front_end(void **state)
{
	struct stat st;

	(void)state;
	front_start(&front);
	assert_true(front_round_trip(&front, 0));
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void serves_the_next_one_after_the_first_has_gone(void **state)
{
	int second = connect_to();

	(void)state;
	front_start(&front);
	assert_true(front_round_trip(&front, 0));
	/* The second waits. */
	assert_int_equal(front.dev.starts, 1);

	close(front.sock);
	front.sock = second;
	ring_driver_restart(&front.rings[0]);
	ring_driver_restart(&front.rings[1]);
	front_start(&front);
	assert_int_equal(front.dev.starts, 2);
	assert_true(front_round_trip(&front, 1));
}

static void a_bad_front_end_spoils_nothing_for_the_next(void **state)
{
	(void)state;
	front_start(&front);
	front_send_u64(&front, VU_SET_FEATURES, UINT64_MAX);
	front_settle(&front);
	assert_false(front.dev.vdev.started);
	close(front.sock);
	front.sock = connect_to();
	assert_true(front.sock >= 0);
	ring_driver_restart(&front.rings[0]);
	ring_driver_restart(&front.rings[1]);
	front_start(&front);
	assert_true(front_round_trip(&front, 0));
}

static void replaces_a_stale_socket_but_no_live_one(void **state)
{
	struct vhost_user_server *other = NULL;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct err err = ERR_INIT;
	char stale[80], file[80];
	int fd;

	(void)state;
	assert_int_equal(vhost_user_serve(front.loop, &front.dev.vdev, path, &other, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, path));

	snprintf(stale, sizeof(stale), "%s/stale", dir);
	strcpy(addr.sun_path, stale);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(vhost_user_serve(front.loop, &front.dev.vdev, stale, &other, &err), 0);
	vhost_user_server_free(other);
	assert_int_equal(access(stale, F_OK), -1);

	snprintf(file, sizeof(file), "%s/file", dir);
	close(open(file, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(vhost_user_serve(front.loop, &front.dev.vdev, file, &other, &err), -EADDRINUSE);
	assert_int_equal(unlink(file), 0);
}

static void refuses_paths_that_no_socket_can_have(void **state)
{
	struct vhost_user_server *other = NULL;
	struct err err = ERR_INIT;
	char longer[200];

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(vhost_user_serve(front.loop, &front.dev.vdev, longer, &other, &err), -ENAMETOOLONG);
	assert_int_equal(vhost_user_serve(front.loop, &front.dev.vdev, "/nonexistent/socket", &other, &err),
			 -ENOENT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(serves_a_front_end),
		T(serves_the_next_one_after_the_first_has_gone),
		T(a_bad_front_end_spoils_nothing_for_the_next),
		T(replaces_a_stale_socket_but_no_live_one),
		T(refuses_paths_that_no_socket_can_have),
	};

	log_set_stderr(false);
	return cmocka_run_group_tests_name("vhost_user_serve", tests, NULL, NULL);
}
