/* SPDX-License-Identifier: Apache-2.0 */
/* lookpath: see lookpath.h. */
#include "base/lookpath.h"

#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *errno_text(int code)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s", strerror(code));
	/* "Is a directory", but not "RFS specific error" */
	if (islower((unsigned char)text[1]) || text[1] == ' ')
		text[0] = (char)tolower((unsigned char)text[0]);
	return text;
}

const char *env_get(char *const *env, const char *name)
{
	const char *found = NULL;
	size_t len = strlen(name);

	for (; env && *env; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			found = *env + len + 1;
	return found;
}

/* Go's findExecutable(): *ret_stat tells a missing file from one that may not run. */
static int check_executable(void *ctx, const char *path, int *ret_stat)
{
	struct stat st;

	(void)ctx;
	*ret_stat = 0;
	if (stat(path, &st) < 0) {
		*ret_stat = errno;
		return -errno;
	}
	if (S_ISDIR(st.st_mode))
		return -EACCES;
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return -errno;
	/* Root may read anything, but not run a file without any x bit; access() says so too, except on some shares. */
	return st.st_mode & 0111 ? 0 : -EACCES;
}

int lookpath(const char *name, char *const *env, char *ret, size_t size, struct err *err)
{
	return lookpath_among(check_executable, NULL, name, env, ret, size, err);
}

int lookpath_among(lookpath_check_fn check, void *ctx, const char *name, char *const *env, char *ret,
		   size_t size, struct err *err)
{
	const char *path = env_get(env, "PATH");
	int stat_errno, r;

	if (strchr(name, '/')) {
		if (strlen(name) >= size)
			return err_set(err, -ENAMETOOLONG, "exec: \"%s\": file name too long", name);
		r = check(ctx, name, &stat_errno);
		if (r < 0 && stat_errno)
			return err_set(err, r, "exec: \"%s\": stat %s: %s", name, name, errno_text(-r));
		if (r < 0)
			return err_set(err, r, "exec: \"%s\": %s", name, errno_text(-r));
		strcpy(ret, name);
		return 0;
	}
	while (path && *path) {
		size_t len = strcspn(path, ":");
		int n = len ? snprintf(ret, size, "%.*s/%s", (int)len, path, name)
			    : snprintf(ret, size, "./%s", name);

		if (n > 0 && (size_t)n < size && check(ctx, ret, &stat_errno) == 0)
			return 0;
		path += len;
		path += *path == ':';
	}
	return err_set(err, -ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}
