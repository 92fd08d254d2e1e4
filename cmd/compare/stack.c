/* SPDX-License-Identifier: Apache-2.0 */
/* stack: running a runtime's command line, and the containers of a comparison. See compare.h. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "cmd/compare/compare.h"
#include "cmd/version.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OUTPUT_MAX = 1 << 20, WORDS_MAX = 16, SHORT_LIMIT = 60 };

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void output_done(struct output *o)
{
	free(o->text);
	free(o->errors);
	*o = (struct output){ 0 };
}

/* --- One command --- */

static pid_t spawn(const char *const *words, int out, int errors)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (dup2(open("/dev/null", O_RDWR | O_CLOEXEC), 0) < 0 || dup2(out, 1) < 0 || dup2(errors, 2) < 0)
		_exit(125);
	syscall(SYS_close_range, 3, ~0U, 0);
	execv(words[0], (char *const *)(uintptr_t)words);
	_exit(127);
}

/* Files rather than pipes: what a container leaves behind may hold them open for ever. */
static int open_capture(void)
{
	return memfd_create("vrun-compare", MFD_CLOEXEC);
}

static char *read_capture(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	size_t len = size < 0 ? 0 : size > OUTPUT_MAX ? OUTPUT_MAX : (size_t)size;
	char *text = malloc(len + 1);
	ssize_t n;

	if (!text)
		return NULL;
	n = pread(fd, text, len, 0);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static int wait_for(pid_t pid, int limit)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int status, r;

	do {
		r = poll(&p, 1, limit * 1000);
	} while (r < 0 && errno == EINTR && !compare_stopped);
	if (r <= 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r <= 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_words(const char *const *words, int limit, struct output *ret, struct err *err)
{
	_cleanup_close_ int out = open_capture(), errors = open_capture();
	double begin = now();
	pid_t pid;

	*ret = (struct output){ 0 };
	if (out < 0 || errors < 0)
		return err_set_errno(err, -errno, "memfd");
	pid = spawn(words, out, errors);
	if (pid < 0)
		return err_set_errno(err, -errno, "fork");
	ret->status = wait_for(pid, limit);
	ret->seconds = now() - begin;
	ret->text = read_capture(out);
	ret->errors = read_capture(errors);
	/* Deleting goes on, so that nothing is left. */
	if (compare_stopped && strcmp(words[3], "delete"))
		return err_set(err, -EINTR, "compare: interrupted");
	return ret->text && ret->errors ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/* The last line of what a program complained of, which is the one that says most. */
static const char *last_line(char *text)
{
	size_t len = strlen(text);
	char *line;

	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	line = strrchr(text, '\n');
	return line ? line + 1 : text;
}

/* --- Command lines --- */

struct words {
	const char *v[WORDS_MAX];
	size_t n;
};

static void add_word(struct words *w, const char *word)
{
	w->v[w->n++] = word;
	w->v[w->n] = NULL;
}

static struct words begin_words(const struct stack *s, const char *verb)
{
	struct words w = { .n = 0 };

	add_word(&w, s->program);
	add_word(&w, "--root");
	add_word(&w, s->root);
	add_word(&w, verb);
	return w;
}

static void make_id(const struct stack *s, char *buf, size_t size)
{
	static unsigned number;

	snprintf(buf, size, "compare-%s-%d-%u", s->name, (int)getpid(), number++);
}

static void add_bundle(struct words *w, const struct stack *s, const char *dir, const char *id)
{
	if (s->engine) {
		add_word(w, "--engine");
		add_word(w, s->engine);
	}
	add_word(w, "--bundle");
	add_word(w, dir);
	add_word(w, id);
}

static void delete_container(const struct stack *s, const char *id)
{
	struct words w = begin_words(s, "delete");
	_cleanup_output_ struct output o = { 0 };

	add_word(&w, "--force");
	add_word(&w, id);
	run_words(w.v, SHORT_LIMIT, &o, NULL);
}

int stack_run(const struct stack *s, const char *dir, int limit, struct output *ret, struct err *err)
{
	struct words w = begin_words(s, "run");
	char id[64];
	int r;

	make_id(s, id, sizeof(id));
	add_bundle(&w, s, dir, id);
	r = run_words(w.v, limit, ret, err);
	if (r < 0 || ret->status)
		delete_container(s, id);
	return r;
}

int stack_probe(struct compare *c, enum side side, const char *name, const struct bundle_change *change,
		int limit, struct output *ret, struct err *err)
{
	const struct stack *s = &c->stacks[side];
	char dir[PATH_MAX];
	int r;

	r = bundle_make(c, name, change, dir, err);
	if (r == 0)
		r = stack_run(s, dir, limit, ret, err);
	if (r < 0)
		return r;
	if (ret->status == -1)
		return err_set(err, -ETIMEDOUT, "%s: no end of \"%s\" within %d seconds", s->name, name,
			       limit);
	if (ret->status)
		return err_set(err, -EIO, "%s: exit status %d: %s", s->name, ret->status,
			       last_line(ret->errors));
	return 0;
}

void stack_version(const struct stack *s, char *buf, size_t size)
{
	const char *const words[] = { s->program, "--version", NULL };
	_cleanup_output_ struct output o = { 0 };
	char *version;

	if (s->side == SIDE_VM) {
		snprintf(buf, size, "vrun %s", vrun_version);
		return;
	}
	snprintf(buf, size, "%s", s->name);
	if (run_words(words, SHORT_LIMIT, &o, NULL) < 0)
		return;
	/* "runc version 1.1.5+ds1", "crun version 1.8.1": then commits and libraries */
	version = strstr(o.text, "version ");
	if (!version)
		return;
	version += strlen("version ");
	snprintf(buf, size, "%s %.*s", s->name, (int)strcspn(version, "+ \n"), version);
}

/* --- Which namespace runtime --- */

static bool find_in_path(const char *name, char *ret)
{
	const char *path = getenv("PATH");

	path = path && path[0] ? path : "/usr/sbin:/usr/bin:/sbin:/bin";
	while (*path) {
		size_t len = strcspn(path, ":");

		snprintf(ret, PATH_MAX, "%.*s/%s", (int)len, path, name);
		if (len && access(ret, X_OK) == 0)
			return true;
		path += len + (path[len] == ':');
	}
	return false;
}

static int try_stack(struct compare *c, struct err *err)
{
	static const char *const args[] = { "true", NULL };
	_cleanup_output_ struct output o = { 0 };

	return stack_probe(c, SIDE_NS, "try", &(struct bundle_change){ .args = args }, SHORT_LIMIT, &o, err);
}

int stack_find(struct compare *c, const char *with, struct err *err)
{
	const char *const both[] = { "crun", "runc", NULL };
	const char *const one[] = { with, NULL };
	struct stack *s = &c->stacks[SIDE_NS];
	struct err why = ERR_INIT;
	bool found = false;

	for (const char *const *name = with ? one : both; *name; name++) {
		if (!find_in_path(*name, s->program))
			continue;
		found = true;
		s->name = *name;
		why = (struct err)ERR_INIT;
		if (try_stack(c, &why) == 0)
			return 0;
		if (compare_stopped)
			break;
		if (!with)
			fprintf(stderr, "compare: %s is installed, but can't run this bundle here: %s\n",
				*name, why.text);
	}
	if (!found)
		return err_set(err, -ENOENT, "%s not installed: apt-get install %s",
			       with ? with : "there is nothing to compare with: crun and runc are",
			       with ? with : "runc");
	return err_set(err, -EIO, "%s can't run this bundle: %s", s->name, why.text);
}

/* --- Containers that stay --- */

static int run_verb(const struct stack *s, struct words *w, const char *log, struct err *err)
{
	_cleanup_close_ int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	_cleanup_close_ int errors = open_capture();
	_cleanup_free_ char *text = NULL;
	int status;
	pid_t pid;

	if (out < 0 || errors < 0)
		return err_set_errno(err, -errno, "%s", log);
	pid = spawn(w->v, out, errors);
	if (pid < 0)
		return err_set_errno(err, -errno, "fork");
	status = wait_for(pid, SHORT_LIMIT);
	if (status == 0)
		return 0;
	text = read_capture(errors);
	return err_set(err, -EIO, "%s %s: exit status %d: %s", s->name, w->v[3], status,
		       text ? last_line(text) : "");
}

int live_create(const struct compare *c, const struct stack *s, const char *name,
		const struct bundle_change *change, bool start, struct live *ret, struct err *err)
{
	struct words w = begin_words(s, "create");
	_cleanup_free_ char *text = NULL;
	char dir[PATH_MAX], pid_file[PATH_MAX + 8];
	int r;

	*ret = (struct live){ .stack = s };
	r = bundle_make(c, name, change, dir, err);
	if (r < 0)
		return r;
	make_id(s, ret->id, sizeof(ret->id));
	snprintf(pid_file, sizeof(pid_file), "%s/pid", dir);
	if (snprintf(ret->log, sizeof(ret->log), "%s/log", dir) >= (int)sizeof(ret->log))
		return err_set(err, -ENAMETOOLONG, "%s", dir);
	unlink(ret->log);
	add_word(&w, "--pid-file");
	add_word(&w, pid_file);
	add_bundle(&w, s, dir, ret->id);
	r = run_verb(s, &w, ret->log, err);
	if (r < 0)
		return r;
	r = file_read(AT_FDCWD, pid_file, 64, &text, NULL);
	if (r < 0)
		return err_set_errno(err, r, "%s", pid_file);
	ret->pid = atoi(text);
	return start ? live_start(ret, err) : 0;
}

int live_start(const struct live *live, struct err *err)
{
	struct words w = begin_words(live->stack, "start");

	add_word(&w, live->id);
	return run_verb(live->stack, &w, live->log, err);
}

int live_wait_for(const struct live *live, const char *word, int limit, struct err *err)
{
	const struct timespec tick = { .tv_nsec = 20000000 };
	double end = now() + limit;

	do {
		_cleanup_free_ char *text = NULL;

		if (file_read(AT_FDCWD, live->log, OUTPUT_MAX, &text, NULL) == 0 && strstr(text, word))
			return 0;
		nanosleep(&tick, NULL);
	} while (now() < end && !compare_stopped);
	return err_set(err, -ETIMEDOUT, "%s: the container did not say \"%s\" within %d seconds",
		       live->stack->name, word, limit);
}

int live_idle(struct compare *c, enum side side, struct live *ret, pid_t pids[static LIVE_PIDS],
	      size_t *ret_n, struct err *err)
{
	static const char *const args[] = { "wait", NULL };
	int r = live_create(c, &c->stacks[side], side == SIDE_NS ? "idle-ns" : "idle-vm",
			    &(struct bundle_change){ .args = args }, true, ret, err);

	if (r == 0)
		r = live_wait_for(ret, "ready", SHORT_LIMIT, err);
	if (r == 0)
		*ret_n = process_tree(ret->pid, pids, LIVE_PIDS);
	return r;
}

void live_end(struct live *live)
{
	if (live->id[0])
		delete_container(live->stack, live->id);
	live->id[0] = '\0';
}

/* --- What a probe said --- */

const char *probe_value(const char *text, const char *key, int nth, char *buf, size_t size)
{
	size_t len = strlen(key);

	for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
		if (strncmp(line, key, len) || line[len] != ' ' || nth-- > 0)
			continue;
		snprintf(buf, size, "%.*s", (int)strcspn(line + len + 1, "\n"), line + len + 1);
		return buf;
	}
	return NULL;
}

double probe_number(const char *text, const char *key)
{
	char buf[64];

	return probe_value(text, key, 0, buf, sizeof(buf)) ? atof(buf) : -1;
}
