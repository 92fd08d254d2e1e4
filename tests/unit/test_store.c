/* SPDX-License-Identifier: Apache-2.0 */
/* store, state, status: ids, locks, directories that go while somebody waits, damaged files. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "runtime/proc.h"
#include "runtime/state.h"
#include "runtime/status.h"
#include "runtime/store.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char root[64];

static int set_up(void **state)
{
	struct store *store;

	strcpy(root, "/tmp/vrun-test-store-XXXXXX");
	assert_non_null(mkdtemp(root));
	assert_int_equal(store_open(root, &store, NULL), 0);
	*state = store;
	return 0;
}

static int tear_down(void **state)
{
	store_free(*state);
	return dir_remove_all(AT_FDCWD, root);
}

static void ids_are_runcs(void **state)
{
	static const char *const good[] = { "a", "A_b+c,d-e.f", "...", "0", "-x" };
	static const char *const bad[] = { "",	  ".",	      "..",  "a/b",  "/", "a b",
					   "a\n", "\xc3\xa9", "a:b", "@new", "a%" };
	char longest[STORE_ID_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(store_check_id(good[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(store_check_id(bad[i], NULL), -EINVAL);
	memset(longest, 'x', sizeof(longest));
	longest[STORE_ID_MAX + 1] = '\0';
	assert_int_equal(store_check_id(longest, NULL), -EINVAL);
	longest[STORE_ID_MAX] = '\0';
	assert_int_equal(store_check_id(longest, NULL), 0);
}

static void create_find_list_remove(void **state)
{
	struct store *store = *state;
	struct store_dir *dir, *other;
	struct err err = ERR_INIT;
	struct stat st;
	char **ids;
	size_t n;

	assert_int_equal(store_find(store, "b", true, &dir, &err), -ENOENT);
	assert_string_equal(err.text, "container does not exist");
	assert_int_equal(store_create(store, "b", "{}", 2, &dir, NULL), 0);
	assert_int_equal(fstat(dir->fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(store_create(store, "b", "{}", 2, &other, &err), -EEXIST);
	assert_string_equal(err.text, "container with given ID already exists");
	assert_int_equal(store_create(store, "a", "{}", 2, &other, NULL), 0);
	store_dir_close(other);
	/* What a killed vrun left is no container. */
	assert_int_equal(mkdirat(store_fd(store), "@new-1", 0700), 0);
	assert_int_equal(store_list(store, &ids, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_string_equal(ids[0], "a");
	assert_string_equal(ids[1], "b");
	store_list_free(ids);
	assert_int_equal(store_remove(store, dir, NULL), 0);
	store_dir_close(dir);
	assert_int_equal(store_find(store, "b", false, &dir, NULL), -ENOENT);
	assert_int_equal(store_create(store, "b", "{}", 2, &dir, NULL), 0);
	store_dir_close(dir);
}

static void what_killed_ones_left_is_swept(void **state)
{
	struct store *store = *state;
	char name[64];
	int status, locked;
	pid_t dead = fork();

	assert_true(dead >= 0);
	if (dead == 0)
		_exit(0);
	assert_int_equal(waitpid(dead, &status, 0), dead);
	/* left: by a dead one. kept: of the living, locked by somebody, and what is no name of ours. */
	snprintf(name, sizeof(name), "@new-%d", (int)dead);
	assert_int_equal(mkdirat(store_fd(store), name, 0700), 0);
	snprintf(name, sizeof(name), "@del-%d", (int)getpid());
	assert_int_equal(mkdirat(store_fd(store), name, 0700), 0);
	assert_int_equal(mkdirat(store_fd(store), "@other", 0700), 0);
	snprintf(name, sizeof(name), "@del-%d", (int)dead);
	assert_int_equal(mkdirat(store_fd(store), name, 0700), 0);
	locked = openat(store_fd(store), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(locked, LOCK_EX), 0);
	store_sweep(store);
	assert_int_equal(faccessat(store_fd(store), name, F_OK, 0), 0);
	close(locked);
	store_sweep(store);
	assert_int_equal(faccessat(store_fd(store), name, F_OK, 0), -1);
	snprintf(name, sizeof(name), "@new-%d", (int)dead);
	assert_int_equal(faccessat(store_fd(store), name, F_OK, 0), -1);
	snprintf(name, sizeof(name), "@del-%d", (int)getpid());
	assert_int_equal(unlinkat(store_fd(store), name, AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(store_fd(store), "@other", AT_REMOVEDIR), 0);
}

static void a_name_too_long_for_a_directory_is_told(void **state)
{
	char id[301];
	struct store_dir *dir;
	struct err err = ERR_INIT;
	char **ids;
	size_t n;

	memset(id, 'x', 300);
	id[300] = '\0';
	assert_int_equal(store_create(*state, id, "{}", 2, &dir, &err), -ENAMETOOLONG);
	assert_int_equal(store_find(*state, id, false, &dir, NULL), -ENOENT);
	assert_int_equal(store_list(*state, &ids, &n, NULL), 0);
	assert_int_equal(n, 0);
	store_list_free(ids);
}

struct waiter {
	struct store *store;
	struct store_dir *dir;
	int r;
};

static void *wait_for_lock(void *arg)
{
	struct waiter *w = arg;

	w->r = store_find(w->store, "c", true, &w->dir, NULL);
	return NULL;
}

static void who_waits_for_a_removed_container_learns_so(void **state)
{
	struct waiter w = { .store = *state };
	struct store_dir *dir;
	pthread_t thread;

	assert_int_equal(store_create(*state, "c", "{}", 2, &dir, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_lock, &w), 0);
	usleep(50000);
	assert_int_equal(store_remove(*state, dir, NULL), 0);
	store_dir_close(dir);
	pthread_join(thread, NULL);
	assert_int_equal(w.r, -ENOENT);
}

static void who_waits_for_one_made_anew_gets_the_new_one(void **state)
{
	struct waiter w = { .store = *state };
	struct store_dir *old, *new;
	struct stat a, b;
	pthread_t thread;

	assert_int_equal(store_create(*state, "c", "{}", 2, &old, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_lock, &w), 0);
	usleep(50000);
	assert_int_equal(store_remove(*state, old, NULL), 0);
	assert_int_equal(store_create(*state, "c", "{}", 2, &new, NULL), 0);
	store_dir_close(old);
	usleep(50000);
	store_unlock(new);
	pthread_join(thread, NULL);
	assert_int_equal(w.r, 0);
	assert_int_equal(fstat(w.dir->fd, &a), 0);
	assert_int_equal(fstat(new->fd, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	store_dir_close(w.dir);
	store_dir_close(new);
}

static struct state *make_state(void)
{
	static const char text[] = "{\"ociVersion\":\"1.2.0\",\"annotations\":{\"k\":\"v \\\"q\\\"\"}}";
	_cleanup_oci_spec_ struct oci_spec *spec = NULL;
	struct state *s;

	assert_int_equal(oci_spec_parse(text, sizeof(text) - 1, "config.json", &spec, NULL), 0);
	assert_int_equal(state_new("c", "/bundle", spec, &s), 0);
	s->rootfs = strdup("/bundle/rootfs");
	s->engine = strdup("kvm");
	return s;
}

static void state_round_trip_and_what_callers_see(void **state)
{
	_cleanup_store_dir_ struct store_dir *dir = NULL;
	_cleanup_state_ struct state *made = make_state(), *read = NULL;
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int status = -EBADF;
	struct json_out *out;
	uint64_t start;
	size_t len;

	assert_int_equal(store_create(*state, "c", "{}", 2, &dir, NULL), 0);
	made->pid = getpid();
	assert_int_equal(proc_start_time(getpid(), &start), 0);
	made->pid_start = start;
	assert_int_equal(state_save(made, dir->fd, NULL), 0);
	assert_int_equal(state_load(dir->fd, &read, NULL), 0);
	assert_int_equal(read->pid, getpid());
	assert_int_equal(read->pid_start, start);
	assert_string_equal(read->rootfs, "/bundle/rootfs");
	assert_string_equal(read->annotations.v[0].value, "v \"q\"");

	/* The status is the file's for as long as the process lives. */
	assert_int_equal(state_status(read, dir->fd, NULL, 0), STATUS_STOPPED);
	status = status_create(dir->fd);
	assert_true(status >= 0);
	assert_int_equal(state_status(read, dir->fd, NULL, 0), STATUS_CREATING);
	status_set(status, STATUS_PAUSED);
	assert_int_equal(state_status(read, dir->fd, NULL, 0), STATUS_PAUSED);
	read->pid_start++;
	assert_int_equal(state_status(read, dir->fd, NULL, 0), STATUS_STOPPED);
	read->pid_start--;

	assert_int_equal(state_text(read, STATUS_RUNNING, &text, &len), 0);
	assert_non_null(
		strstr(text, "\"status\":\"running\",\"bundle\":\"/bundle\",\"annotations\":{\"k\":"));
	assert_null(strstr(text, "vrun"));
	free(TAKE_PTR(text));
	assert_int_equal(json_out_new(false, &out), 0);
	state_put(read, STATUS_STOPPED, true, out);
	assert_int_equal(json_out_finish(out, &text, &len), 0);
	json_out_free(out);
	assert_non_null(strstr(text, "\"pid\":0,"));
	assert_non_null(strstr(text, "\"rootfs\":\"/bundle/rootfs\""));
}

static void status_says_why_it_ended(void **state)
{
	_cleanup_store_dir_ struct store_dir *dir = NULL;
	_cleanup_close_ int fd = -EBADF;
	char text[64];

	assert_int_equal(store_create(*state, "c", "{}", 2, &dir, NULL), 0);
	fd = status_create(dir->fd);
	status_set_text(fd, "the guest panicked");
	status_set(fd, STATUS_STOPPED);
	assert_int_equal(status_read(dir->fd, text, sizeof(text)), STATUS_STOPPED);
	assert_string_equal(text, "the guest panicked");
	assert_int_equal(pwrite(fd, "?", 1, 0), 1);
	assert_int_equal(status_read(dir->fd, NULL, 0), STATUS_STOPPED);
}

static void damaged_state_files_are_told_apart(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "", "can't be read" },
		{ "{\"ociVersion\":\"1.2.0\",\"id", "can't be read" },
		{ "[]", "can't be used" },
		{ "{}", "it was not written by vrun" },
		{ "{\"id\":\"x\",\"vrun\":{\"format\":2,\"later\":true}}",
		  "it is of format 2, this vrun knows format 1" },
		{ "{\"vrun\":{\"format\":1,\"engine\":\"kvm\",\"pidStart\":-1}}", "vrun.pidStart" },
		{ "{\"vrun\":{\"format\":1,\"engine\":\"kvm\",\"pidStart\":1},\"pid\":1}",
		  "ociVersion is missing" },
		{ "{\"vrun\":{\"format\":1,\"engine\":\"kvm\",\"pidStart\":1},\"ociVersion\":\"1\",\"id\":\"c\",\"bundle\":"
		  "\"/\",\"rootfs\":\"/\",\"created\":\"\",\"owner\":\"\",\"pid\":-1}",
		  "pid" },
	};
	_cleanup_store_dir_ struct store_dir *dir = NULL;

	assert_int_equal(store_create(*state, "c", "{}", 2, &dir, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;
		struct state *s = NULL;

		assert_int_equal(
			file_write_atomic(dir->fd, "state.json", bad[i].text, strlen(bad[i].text), 0600), 0);
		assert_true(state_load(dir->fd, &s, &err) < 0);
		assert_null(s);
		if (!strstr(err.text, bad[i].message))
			fail_msg("\"%s\" is not in \"%s\"", bad[i].message, err.text);
	}
}

static void a_zombie_and_another_process_are_not_it(void **state)
{
	uint64_t start;
	pid_t pid = fork();
	int fd;

	(void)state;
	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_int_equal(proc_start_time(pid, &start), 0);
	assert_true(proc_is_alive(pid, start));
	assert_false(proc_is_alive(pid, start + 1));
	assert_int_equal(proc_open(pid, start + 1), -ESRCH);
	fd = proc_open(pid, start);
	assert_true(fd >= 0);
	assert_int_equal(proc_wait(fd, 10), -ETIMEDOUT);
	assert_int_equal(proc_signal(fd, SIGKILL), 0);
	assert_int_equal(proc_wait(fd, 5000), 0);
	assert_false(proc_is_alive(pid, start));
	assert_int_equal(proc_open(pid, start), -ESRCH);
	waitpid(pid, NULL, 0);
	assert_int_equal(proc_start_time(pid, &start), -ESRCH);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_runcs),
		cmocka_unit_test_setup_teardown(create_find_list_remove, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_killed_ones_left_is_swept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_name_too_long_for_a_directory_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_waits_for_a_removed_container_learns_so, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(who_waits_for_one_made_anew_gets_the_new_one, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(state_round_trip_and_what_callers_see, set_up, tear_down),
		cmocka_unit_test_setup_teardown(status_says_why_it_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damaged_state_files_are_told_apart, set_up, tear_down),
		cmocka_unit_test(a_zombie_and_another_process_are_not_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
