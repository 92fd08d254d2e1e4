/* SPDX-License-Identifier: Apache-2.0 */
/* compare: the same bundle in namespaces and in a VM, measured side by side. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include "cmd/compare/compare.h"
#include "cmd/term.h"
#include "runtime/config.h"
#include "runtime/image.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct options {
	const char *with, *format, *engine, *output, *only;
};

static const struct opt opts[] = {
	{ "with", 0, OPT_STRING, offsetof(struct options, with), "crun|runc",
	  "the runtime to compare with (the first of them that works)" },
	{ "format", 'f', OPT_STRING, offsetof(struct options, format), "table|json|html",
	  "how it looks (table)" },
	{ "output", 'o', OPT_STRING, offsetof(struct options, output), "FILE",
	  "write to FILE (standard output)" },
	{ "only", 0, OPT_STRING, offsetof(struct options, only), "seen|surface|blast|cost",
	  "one part, not all four" },
	{ "engine", 0, OPT_STRING, offsetof(struct options, engine), "auto|kvm|qemu",
	  "who runs the VM (auto)" },
	OPT_END,
};

/* `steps`: how often each part tells its progress. What is seen from inside is asked for by the others too. */
static const struct {
	const char *key;
	int (*run)(struct compare *c, struct group *group, struct err *err);
	int steps;
} parts[REPORT_GROUPS] = {
	{ "seen", compare_facts, 2 },
	{ "surface", compare_surface, 4 },
	{ "blast", compare_blast, 7 },
	{ "cost", compare_cost, 6 },
};

volatile sig_atomic_t compare_stopped;

/* The step that runs ends with an error, and then everything is cleaned up. */
static void on_signal(int signo)
{
	(void)signo;
	compare_stopped = 1;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void compare_progress(struct compare *c, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "compare: [%2d/%d] ", ++c->step, c->steps);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++) {
		if (!strcmp(word, *words))
			return true;
	}
	return false;
}

static int check_options(const struct options *o, struct err *err)
{
	static const char *const formats[] = { "table", "json", "html", NULL };
	static const char *const peers[] = { "crun", "runc", NULL };

	if (o->format && !is_one_of(o->format, formats))
		return err_set(err, -EINVAL, "compare: unknown format \"%s\": table, json or html",
			       o->format);
	if (o->with && !is_one_of(o->with, peers))
		return err_set(err, -EINVAL, "compare: --with \"%s\": must be crun or runc", o->with);
	if (o->only) {
		bool known = false;

		for (size_t i = 0; i < REPORT_GROUPS; i++)
			known |= !strcmp(o->only, parts[i].key);
		if (!known)
			return err_set(err, -EINVAL,
				       "compare: --only \"%s\": must be seen, surface, blast or cost",
				       o->only);
	}
	if (geteuid() != 0)
		return err_set(err, -EPERM,
			       "compare: must be run as root: it runs containers and traces them");
	return 0;
}

static int read_bundle(struct compare *c, const char *dir, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX + 16];
	size_t len;
	int r;

	if (!realpath(dir, c->bundle))
		return err_set_errno(err, -errno, "bundle %s", dir);
	snprintf(path, sizeof(path), "%s/config.json", c->bundle);
	r = file_read(AT_FDCWD, path, JSON_SIZE_MAX, &text, &len);
	if (r < 0)
		return err_set_errno(err, r, "%s", path);
	r = json_parse(text, len, "config.json", &c->config, err);
	if (r == 0)
		r = json_expect(json_root(c->config), JSON_OBJECT, err);
	return r < 0 ? err_wrap(err, r, "%s", path) : 0;
}

/* The probe, where each container can reach it, with a directory to write to. */
static int place_probe(struct compare *c, struct err *err)
{
	_cleanup_free_ char *vmm = NULL;
	_cleanup_free_ char *bytes = NULL;
	char path[PATH_MAX];
	char *slash;
	size_t len;
	int r;

	r = image_find_vmm(&vmm, err);
	if (r < 0)
		return r;
	/* It is installed and built beside vrun-vmm. */
	slash = strrchr(vmm, '/');
	snprintf(path, sizeof(path), "%.*s/vrun-probe", (int)(slash - vmm), vmm);
	r = file_read(AT_FDCWD, path, 64 << 20, &bytes, &len);
	if (r < 0)
		return err_set(err, r, "%s: it can't be read (%s); `make` builds it", path,
			       strerrorname_np(-r));
	strcpy(c->work, "/tmp/vrun-compare.XXXXXX");
	if (!mkdtemp(c->work)) {
		c->work[0] = '\0';
		return err_set_errno(err, -errno, "a directory in /tmp");
	}
	/* A bundle's user need not be root. */
	snprintf(path, sizeof(path), "%s/share/scratch", c->work);
	r = dir_make_all(AT_FDCWD, path, 0755);
	if (r == 0 && (chmod(c->work, 0711) < 0 || chmod(path, 01777) < 0))
		r = -errno;
	snprintf(path, sizeof(path), "%s/share/probe", c->work);
	if (r == 0)
		r = file_write_atomic(AT_FDCWD, path, bytes, len, 0755);
	return r < 0 ? err_set_errno(err, r, "%s", path) : 0;
}

static int prepare(struct compare *c, const struct cmd_call *call, struct err *err)
{
	const struct options *o = call->opts;
	struct stack *vm = &c->stacks[SIDE_VM], *ns = &c->stacks[SIDE_NS];
	_cleanup_config_ struct config config;
	ssize_t n;
	int r;

	config_init(&config);
	r = read_bundle(c, call->words[0], err);
	if (r == 0)
		r = place_probe(c, err);
	if (r < 0)
		return r;
	n = readlink("/proc/self/exe", vm->program, sizeof(vm->program) - 1);
	if (n < 0)
		return err_set_errno(err, -errno, "/proc/self/exe");
	vm->name = "vrun";
	vm->side = SIDE_VM;
	ns->side = SIDE_NS;
	snprintf(vm->root, sizeof(vm->root), "%s/state-vm", c->work);
	snprintf(ns->root, sizeof(ns->root), "%s/state-ns", c->work);

	r = config_read_file(&config, call->globals->config ? call->globals->config : CONFIG_PATH_DEFAULT,
			     call->globals->config, err);
	if (r == 0 && o->engine)
		r = config_set(&config, CONFIG_ENGINE, o->engine, CONFIG_OPTION, err);
	if (r < 0)
		return r;
	if (image_choose_engine(&config) == VM_ENGINE_KVM) {
		vm->engine = "kvm";
		c->report.engine = "vrun's VMM on KVM";
	} else {
		vm->engine = "qemu";
		c->report.engine = "QEMU, which emulates the VM's processor";
	}
	compare_progress(c, "looking for a runtime of namespaces");
	return stack_find(c, o->with, err);
}

static bool is_wanted(const char *only, size_t part)
{
	return !only || part == 0 || !strcmp(only, parts[part].key);
}

static int measure(struct compare *c, const char *only, struct err *err)
{
	double begin = now();
	time_t clock = time(NULL);
	struct tm tm;
	int r = 0;

	c->report.bundle = c->bundle;
	strftime(c->report.date, sizeof(c->report.date), "%Y-%m-%d %H:%M", localtime_r(&clock, &tm));
	for (int s = 0; s < SIDES; s++)
		stack_version(&c->stacks[s], c->report.names[s], sizeof(c->report.names[s]));
	for (size_t i = 0; i < REPORT_GROUPS && r == 0; i++) {
		if (is_wanted(only, i))
			r = parts[i].run(c, &c->report.groups[i], err);
	}
	if (only && strcmp(only, parts[0].key))
		c->report.groups[0].n = 0;
	c->report.seconds = now() - begin;
	return r;
}

static int print(const struct compare *c, const struct options *o, struct err *err)
{
	_cleanup_fclose_ FILE *file = NULL;
	FILE *out = stdout;
	int r = 0;

	if (o->output) {
		file = fopen(o->output, "we");
		if (!file)
			return err_set_errno(err, -errno, "%s", o->output);
		out = file;
	}
	if (!o->format || !strcmp(o->format, "table"))
		report_print_table(&c->report, term_colours(fileno(out)), out);
	else if (!strcmp(o->format, "json"))
		r = report_print_json(&c->report, out, err);
	else
		report_print_html(&c->report, out);
	if (r == 0 && fflush(out) != 0)
		r = err_set_errno(err, -errno, "%s", o->output ? o->output : "standard output");
	return r;
}

static void done(struct compare *c)
{
	for (int s = 0; s < SIDES; s++)
		free(c->facts[s]);
	json_doc_free(c->config);
	if (c->work[0])
		dir_remove_all(AT_FDCWD, c->work);
	free(c);
}

static int compare(const struct cmd_call *call, struct err *err)
{
	const struct options *o = call->opts;
	struct compare *c;
	int r;

	r = check_options(o, err);
	if (r < 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(err, -ENOMEM, "out of memory");
	c->steps = 1;
	for (size_t i = 0; i < REPORT_GROUPS; i++)
		c->steps += is_wanted(o->only, i) ? parts[i].steps : 0;
	for (int s = 0; s < SIDES; s++)
		c->report.syscalls[s] = -1;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGHUP, on_signal);
	r = prepare(c, call, err);
	if (r == 0)
		r = measure(c, o->only, err);
	if (r == 0)
		r = print(c, o, err);
	done(c);
	return r;
}

const struct command cmd_compare = {
	.name = "compare",
	.words = "BUNDLE",
	.summary = "run a bundle in namespaces and in a VM, and show both side by side",
	.details =
		"Measures on the spot, within three minutes: what is seen from inside, the attack surface, the\n"
		"blast radius and the cost. A small program of vrun's runs instead of the bundle's command; the\n"
		"bundle's hooks are not run. What could stop this machine is tried in the VM only.",
	.examples = "vrun compare build/bundle\n"
		    "vrun compare --with runc --format html --output compare.html build/bundle",
	.opts = opts,
	.opts_size = sizeof(struct options),
	.min_words = 1,
	.max_words = 1,
	.run = compare,
};
