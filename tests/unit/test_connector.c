/* SPDX-License-Identifier: Apache-2.0 */
/* connector: connections to sockets of the host, as somebody, and what is refused. The test is their server. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/loop.h"
#include "runtime/connector.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static char dir[64];
static char paths[3][96]; /* open to all, root's own, without a server */
static int servers[3];
static struct loop *loop;
static struct connector *connector;

static struct {
	unsigned n;
	uint32_t request;
	int error, fd;
} got;

static void on_result(void *ctx, uint32_t request, int error, int take_fd)
{
	(void)ctx;
	got.n++;
	got.request = request;
	got.error = error;
	got.fd = take_fd;
	loop_quit(loop, 0);
}

static int listen_at(const char *path, mode_t mode)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(chmod(path, mode), 0);
	return fd;
}

static int set_up(void **state)
{
	char *list[3];

	(void)state;
	memset(&got, 0, sizeof(got));
	strcpy(dir, "/tmp/vrun-test-connector-XXXXXX");
	assert_non_null(mkdtemp(dir));
	for (int i = 0; i < 3; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/%d", dir, i);
		list[i] = paths[i];
		servers[i] = listen_at(paths[i], i == 1 ? 0600 : 0666);
	}
	servers[2] = close_fd(servers[2]);
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(connector_new(loop, list, 3, on_result, NULL, &connector, NULL), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	connector_free(TAKE_PTR(connector));
	loop_free(loop);
	/* It has ended, and was waited for. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	for (int i = 0; i < 3; i++)
		servers[i] = close_fd(servers[i]);
	return dir_remove_all(AT_FDCWD, dir);
}

static int ask(uint32_t request, uint32_t socket, uint32_t uid, uint32_t gid)
{
	unsigned before = got.n;

	assert_int_equal(connector_ask(connector, request, socket, uid, gid), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(got.n, before + 1);
	assert_int_equal(got.request, request);
	return got.error;
}

static void it_connects_as_somebody(void **state)
{
	const struct {
		uint32_t uid, gid;
	} users[] = { { 1234, 2345 }, { 0, 7 }, { 8, 0 } };
	char text[8] = "";

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(users); i++) {
		socklen_t len = sizeof(struct ucred);
		struct ucred peer;
		int fd;

		assert_int_equal(ask(100 + i, 0, users[i].uid, users[i].gid), 0);
		fd = accept4(servers[0], NULL, NULL, SOCK_CLOEXEC);
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len), 0);
		assert_int_equal(peer.uid, users[i].uid);
		assert_int_equal(peer.gid, users[i].gid);
		assert_true(fcntl(got.fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(got.fd, F_GETFD) & FD_CLOEXEC);
		assert_int_equal(write(got.fd, "there", 5), 5);
		assert_int_equal(fd_read_all(fd, text, 5), 0);
		assert_string_equal(text, "there");
		/* Nobody else holds it. */
		close(got.fd);
		assert_int_equal(read(fd, text, 1), 0);
		close(fd);
	}
}

static void the_hosts_kernel_says_who_may(void **state)
{
	(void)state;
	assert_int_equal(ask(1, 1, 1234, 0), EACCES);
	assert_int_equal(got.fd, -EBADF);
	assert_int_equal(ask(2, 1, 0, 0), 0);
	close(got.fd);
}

static void what_can_t_be(void **state)
{
	(void)state;
	assert_int_equal(ask(1, 2, 0, 0), ECONNREFUSED);
	assert_int_equal(ask(2, 3, 0, 0), EINVAL);
	assert_int_equal(ask(3, UINT32_MAX, 0, 0), EINVAL);
	/* "As it is" to setresuid(2): it would be root. */
	assert_int_equal(ask(4, 0, UINT32_MAX, 0), EINVAL);
	assert_int_equal(ask(5, 0, 0, UINT32_MAX), EINVAL);
	/* It is there all the same. */
	assert_int_equal(ask(6, 0, 5, 5), 0);
	close(got.fd);
}

static void it_holds_nothing_of_its_callers(void **state)
{
	char *list[] = { paths[0] };
	struct connector *second;
	int pair[2];
	char byte;

	(void)state;
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	assert_int_equal(connector_new(loop, list, 1, on_result, NULL, &second, NULL), 0);
	close(pair[1]);
	assert_int_equal(read(pair[0], &byte, 1), 0);
	close(pair[0]);
	connector_free(second);
}

static void a_path_that_is_none_any_more(void **state)
{
	struct connector *second = NULL;
	struct err err = ERR_INIT;
	char path[96], *list[] = { paths[0], path };

	(void)state;
	snprintf(path, sizeof(path), "%s/no", dir);
	assert_int_equal(connector_new(loop, list, 2, on_result, NULL, &second, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(symlink(paths[0], path), 0);
	assert_int_equal(connector_new(loop, list, 2, on_result, NULL, &second, &err), -ELOOP);
	snprintf(path, sizeof(path), "%s", dir);
	assert_int_equal(connector_new(loop, list, 2, on_result, NULL, &second, &err), -EINVAL);
	assert_null(second);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_connects_as_somebody),
		TEST(the_hosts_kernel_says_who_may),
		TEST(what_can_t_be),
		TEST(it_holds_nothing_of_its_callers),
		TEST(a_path_that_is_none_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
