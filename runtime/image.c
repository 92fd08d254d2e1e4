/* SPDX-License-Identifier: Apache-2.0 */
/* image: see image.h. */
#include "runtime/image.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "runtime/config.h"
#include "vmm/kvm/kvm.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Relative ones begin at the directory of our executable. */
static const char *const guest_dirs[] = {
	"../guest",
	"../lib/vrun/guest",
	"/usr/local/lib/vrun/guest",
	"/usr/lib/vrun/guest",
};

static const char *const vmm_dirs[] = {
	".", "../lib/vrun", "/usr/local/lib/vrun", "/usr/lib/vrun", "/usr/libexec/vrun",
};

static const struct {
	const char *kernel, *initrd;
} guest_files[] = {
	{ "vmlinux-tuned", "initrd-tuned.img" },
	{ "vmlinux", "initrd.img" },
};

static int exe_dir(char buf[static PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", buf, PATH_MAX - 1);
	char *slash;

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	slash = strrchr(buf, '/');
	if (slash)
		*slash = '\0';
	return 0;
}

/* DIR/NAME with DIR as in the tables above, made canonical; NULL when it is not a regular file. */
static char *find_file(const char *exe, const char *dir, const char *name)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *real = NULL;
	struct stat st;

	if (asprintf(&path, "%s%s%s/%s", dir[0] == '/' ? "" : exe, dir[0] == '/' ? "" : "/", dir, name) < 0) {
		path = NULL;
		return NULL;
	}
	real = realpath(path, NULL);
	if (!real || stat(real, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	return TAKE_PTR(real);
}

static int check_named(const char *what, const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_set(err, -ENOENT, "%s %s: %s", what, path,
			       errno == ENOENT ? "there is no such file" : "it can't be read");
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s %s: not a regular file", what, path);
	return 0;
}

/* Told here, and not by an engine that has begun: QEMU would take any file for a kernel of 1999. */
static int check_kernel(const char *path, struct err *err)
{
	/* Linux, Documentation/x86/boot.rst: "HdrS" at 0x202; arm64/booting.rst: "ARM\x64" at 56 */
	enum { HEAD = 0x206 };
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char head[HEAD] = "";
	ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof(head), 0);

	if (n < 0)
		return err_set(err, -errno, "guest kernel %s: it can't be read (%s)", path, strerrorname_np(errno));
	if (!memcmp(head, "\177ELF", 4) || !memcmp(head + 0x202, "HdrS", 4) || !memcmp(head + 56, "ARM\x64", 4))
		return 0;
	return err_set(err, -EINVAL, "guest kernel %s: unknown format, neither an ELF vmlinux nor a bzImage", path);
}

/* A kernel of a directory of ours with its initramfs; `wanted`: that very file. */
static bool find_pair(const char *wanted, char **ret_kernel, char **ret_initrd)
{
	char exe[PATH_MAX];

	if (exe_dir(exe) < 0)
		return false;
	for (size_t d = 0; d < ARRAY_SIZE(guest_dirs); d++) {
		for (size_t f = 0; f < ARRAY_SIZE(guest_files); f++) {
			_cleanup_free_ char *kernel = find_file(exe, guest_dirs[d], guest_files[f].kernel);
			_cleanup_free_ char *initrd = find_file(exe, guest_dirs[d], guest_files[f].initrd);

			if (!kernel || !initrd || (wanted && strcmp(kernel, wanted) != 0))
				continue;
			*ret_kernel = TAKE_PTR(kernel);
			*ret_initrd = TAKE_PTR(initrd);
			return true;
		}
	}
	return false;
}

static int copy(const char *from, char **ret)
{
	*ret = strdup(from);
	return *ret ? 0 : -ENOMEM;
}

int image_find(const struct config *config, char **ret_kernel, char **ret_initrd, struct err *err)
{
	_cleanup_free_ char *kernel = NULL;
	_cleanup_free_ char *initrd = NULL;
	_cleanup_free_ char *wanted = NULL;
	int r;

	if (config->kernel) {
		r = check_named("guest kernel", config->kernel, err);
		if (r == 0)
			r = check_kernel(config->kernel, err);
		if (r < 0)
			return r;
	}
	if (config->initrd) {
		r = check_named("guest initramfs", config->initrd, err);
		if (r < 0)
			return r;
	}
	if (!config->kernel || !config->initrd) {
		/* An initramfs holds modules of its kernel: the two belong together. */
		wanted = config->kernel ? realpath(config->kernel, NULL) : NULL;
		if (!(wanted && find_pair(wanted, &kernel, &initrd)) && !find_pair(NULL, &kernel, &initrd))
			return err_set(err, -ENOENT,
				       "there is no guest kernel and initramfs yet; `make guest` makes both "
				       "(or name them with --kernel and --initrd)");
	}
	if (config->kernel) {
		free(TAKE_PTR(kernel));
		if (copy(config->kernel, &kernel) < 0)
			return err_set(err, -ENOMEM, "out of memory");
	}
	if (config->initrd) {
		free(TAKE_PTR(initrd));
		if (copy(config->initrd, &initrd) < 0)
			return err_set(err, -ENOMEM, "out of memory");
	}
	*ret_kernel = TAKE_PTR(kernel);
	*ret_initrd = TAKE_PTR(initrd);
	return 0;
}

int image_find_vmm(char **ret_path, struct err *err)
{
	char exe[PATH_MAX];

	if (exe_dir(exe) < 0)
		return err_set(err, -ENOENT, "vrun-vmm can't be searched: /proc is not mounted");
	for (size_t i = 0; i < ARRAY_SIZE(vmm_dirs); i++) {
		*ret_path = find_file(exe, vmm_dirs[i], "vrun-vmm");
		if (*ret_path)
			return 0;
	}
	return err_set(err, -ENOENT, "vrun-vmm is neither beside vrun (%s) nor installed; `make` builds it",
		       exe);
}

enum vm_engine image_choose_engine(const struct config *config)
{
	struct err why = ERR_INIT;

	switch (config->engine) {
	case CONFIG_ENGINE_KVM:
		return VM_ENGINE_KVM;
	case CONFIG_ENGINE_QEMU:
		return VM_ENGINE_QEMU;
	case CONFIG_ENGINE_AUTO:
		break;
	}
	if (kvm_usable(&why) == 0)
		return VM_ENGINE_KVM;
	log_info("KVM can't be used (%s): the QEMU engine emulates the VM's CPUs, which is slower", why.text);
	return VM_ENGINE_QEMU;
}
