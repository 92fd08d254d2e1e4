/* SPDX-License-Identifier: Apache-2.0 */
/* config: keys, the file, and values. What a container says is config_spec.c. */
#include "runtime/config.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"

#include <ctype.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

enum { CONFIG_FILE_MAX = 1 << 20 };

static const char *const key_names[CONFIG_KEYS] = {
	[CONFIG_ENGINE] = "engine",
	[CONFIG_KERNEL] = "kernel",
	[CONFIG_INITRD] = "initrd",
	[CONFIG_MEMORY] = "memory",
	[CONFIG_CPUS] = "cpus",
	[CONFIG_KERNEL_PARAMS] = "kernel_params",
	[CONFIG_BOOT_TIMEOUT] = "boot_timeout",
	[CONFIG_CACHE] = "cache",
	[CONFIG_NET] = "net",
	[CONFIG_PUBLISH] = "publish",
	[CONFIG_QEMU_PATH] = "qemu.path",
	[CONFIG_QEMU_ACCEL] = "qemu.accel",
	[CONFIG_JAIL] = "jail",
	[CONFIG_ANNOTATIONS] = "annotations",
};

static const char *const engine_names[] = { "auto", "kvm", "qemu", NULL };
static const char *const cache_names[] = { "auto", "none", "always", NULL };
static const char *const net_names[] = { "namespace", "none", "passt", NULL };
static const char *const accel_names[] = { "tcg", "kvm", NULL };
static const char *const switch_names[] = { "off", "on", NULL };
static const char *const annotation_names[] = { "safe", "none", "all", NULL };

const char *config_key_name(enum config_key key)
{
	return key_names[key];
}

void config_init(struct config *config)
{
	*config = (struct config){
		.memory = VM_MEMORY_DEFAULT,
		.cpus = VM_CPUS_DEFAULT,
		.boot_timeout = BOOT_TIMEOUT_DEFAULT,
		.jail = true,
	};
}

void config_done(struct config *config)
{
	free(config->kernel);
	free(config->initrd);
	free(config->kernel_params);
	free(config->publish);
	free(config->qemu_path);
	free(config->qemu_accel);
	*config = (struct config){ 0 };
}

int config_parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "kmgt";
	const char *unit, *end;
	uint64_t whole = 0, scale = 1;
	unsigned long long fraction = 0, fraction_scale = 1;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (end = text; isdigit((unsigned char)*end); end++) {
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*end - '0'), &whole))
			return -EINVAL;
	}
	/* Three digits of fraction are enough for "1.5G" and can't overflow below. */
	if (*end == '.') {
		for (end++; isdigit((unsigned char)*end); end++) {
			if (fraction_scale < 1000) {
				fraction = fraction * 10 + (unsigned)(*end - '0');
				fraction_scale *= 10;
			}
		}
	}
	unit = *end ? strchr(units, tolower((unsigned char)*end)) : NULL;
	if (unit) {
		scale = 1ULL << (10 * (unit - units + 1));
		end++;
		/* K, KB and KiB mean the same to everybody who sizes memory. */
		if (tolower((unsigned char)*end) == 'i')
			end++;
	}
	if (tolower((unsigned char)*end) == 'b')
		end++;
	if (*end || __builtin_mul_overflow(whole, scale, &whole) ||
	    __builtin_add_overflow(whole, scale / 1000 * fraction * (1000 / fraction_scale), &whole))
		return -EINVAL;
	*ret = whole;
	return 0;
}

static int set_word(const char *const *words, const char *value, unsigned *ret, struct err *err)
{
	char list[128] = "";

	for (unsigned i = 0; words[i]; i++) {
		if (!strcmp(words[i], value)) {
			*ret = i;
			return 0;
		}
		if (i)
			strncat(list, words[i + 1] ? ", " : " or ", sizeof(list) - strlen(list) - 1);
		strncat(list, words[i], sizeof(list) - strlen(list) - 1);
	}
	return err_set(err, -EINVAL, "\"%s\" is not one of %s", value, list);
}

static int set_number(const char *value, unsigned min, unsigned max, unsigned *ret, struct err *err)
{
	unsigned long v;
	char *end;

	errno = 0;
	v = strtoul(value, &end, 10);
	if (!isdigit((unsigned char)*value) || errno || *end || v < min || v > max)
		return err_set(err, -EINVAL, "\"%s\" is not a number from %u to %u", value, min, max);
	*ret = (unsigned)v;
	return 0;
}

static int set_string(const char *value, bool absolute, char **field, struct err *err)
{
	char *copy;

	if (absolute && value[0] != '/')
		return err_set(err, -EINVAL, "\"%s\" is not an absolute path", value);
	copy = strdup(value);
	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	free(*field);
	*field = copy;
	return 0;
}

static int set_path(const char *value, enum config_source source, char **field, struct err *err)
{
	_cleanup_free_ char *real = NULL;

	/* On the command line a path is relative to where the user stands. */
	if (source == CONFIG_OPTION && value[0] && value[0] != '/') {
		real = realpath(value, NULL);
		if (!real)
			return err_set_errno(err, -errno, "%s", value);
		value = real;
	}
	return set_string(value, true, field, err);
}

static int set_memory(const char *value, uint64_t *ret, struct err *err)
{
	uint64_t bytes;

	if (config_parse_size(value, &bytes) < 0)
		return err_set(err, -EINVAL, "\"%s\" is not a size, such as 512M or 2G", value);
	if (bytes < VM_MEMORY_MIN || bytes > VM_MEMORY_MAX)
		return err_set(err, -EINVAL, "%s is not between %lluM and %lluG", value, VM_MEMORY_MIN >> 20,
			       VM_MEMORY_MAX >> 30);
	*ret = bytes;
	return 0;
}

static int set_value(struct config *config, enum config_key key, const char *value, enum config_source source,
		     struct err *err)
{
	unsigned word = 0;
	int r;

	switch (key) {
	case CONFIG_ENGINE:
		r = set_word(engine_names, value, &word, err);
		if (r == 0)
			config->engine = (enum config_engine)word;
		return r;
	case CONFIG_CACHE:
		r = set_word(cache_names, value, &word, err);
		if (r == 0)
			config->cache = (enum vm_share_cache)word;
		return r;
	case CONFIG_NET:
		r = set_word(net_names, value, &word, err);
		if (r == 0)
			config->net = (enum config_net)word;
		return r;
	case CONFIG_PUBLISH:
		return set_string(value, false, &config->publish, err);
	case CONFIG_ANNOTATIONS:
		r = set_word(annotation_names, value, &word, err);
		if (r == 0)
			config->annotations = (enum config_annotations)word;
		return r;
	case CONFIG_JAIL:
		r = set_word(switch_names, value, &word, err);
		if (r == 0)
			config->jail = word == 1;
		return r;
	case CONFIG_QEMU_ACCEL:
		r = set_word(accel_names, value, &word, err);
		return r < 0 ? r : set_string(value, false, &config->qemu_accel, err);
	case CONFIG_KERNEL:
		return set_path(value, source, &config->kernel, err);
	case CONFIG_INITRD:
		return set_path(value, source, &config->initrd, err);
	case CONFIG_QEMU_PATH:
		return set_path(value, source, &config->qemu_path, err);
	case CONFIG_KERNEL_PARAMS:
		return set_string(value, false, &config->kernel_params, err);
	case CONFIG_MEMORY:
		return set_memory(value, &config->memory, err);
	case CONFIG_CPUS:
		return set_number(value, 1, VM_CPUS_MAX, &config->cpus, err);
	case CONFIG_BOOT_TIMEOUT:
		return set_number(value, 1, 3600, &config->boot_timeout, err);
	case CONFIG_KEYS:
		break;
	}
	return err_set(err, -EINVAL, "unknown key");
}

int config_set(struct config *config, enum config_key key, const char *value, enum config_source source,
	       struct err *err)
{
	int r;

	if (source < config->source[key])
		return 0;
	r = set_value(config, key, value, source, err);
	if (r < 0)
		return err_wrap(err, r, "%s", key_names[key]);
	config->source[key] = source;
	return 0;
}

static char *trim(char *text)
{
	char *end;

	while (isspace((unsigned char)*text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return text;
}

/* A comment is a whole line, or what follows " #": a value may hold a '#' of its own. */
static void cut_comment(char *line)
{
	for (char *p = line; *p; p++) {
		if (*p == '#' && (p == line || isspace((unsigned char)p[-1]))) {
			*p = '\0';
			return;
		}
	}
}

static int read_line(struct config *config, char *line, struct err *err)
{
	char *key, *value, *equals;

	cut_comment(line);
	key = trim(line);
	if (!*key)
		return 0;
	equals = strchr(key, '=');
	if (!equals)
		return err_set(err, -EINVAL, "expected key = value");
	*equals = '\0';
	value = trim(equals + 1);
	key = trim(key);
	for (unsigned i = 0; i < CONFIG_KEYS; i++) {
		if (!strcmp(key_names[i], key))
			return config_set(config, (enum config_key)i, value, CONFIG_FILE, err);
	}
	return err_set(err, -EINVAL, "unknown key \"%s\"", key);
}

int config_read_file(struct config *config, const char *path, bool must_exist, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char *next, *line;
	unsigned number = 0;
	int r;

	r = file_read(AT_FDCWD, path, CONFIG_FILE_MAX, &text, NULL);
	if (r == -ENOENT && !must_exist)
		return 0;
	if (r < 0)
		return err_set_errno(err, r, "configuration file %s", path);
	for (next = text; (line = strsep(&next, "\n"));) {
		number++;
		r = read_line(config, line, err);
		if (r < 0)
			return err_wrap(err, r, "%s:%u", path, number);
	}
	return 0;
}
