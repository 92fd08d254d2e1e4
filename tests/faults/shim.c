/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim: makes one call of vrun or vrun-vmm fail, chosen by its number; loaded by LD_PRELOAD, driven by
 * tests/faults/run.
 *
 * VRUN_FAULTS names a file of `struct faults`, which all processes of a run map, so
 * that calls are numbered over all of them. A process that is neither vrun nor
 * vrun-vmm (QEMU, a hook) has its calls left alone. With `at` 0 calls are only counted.
 *
 * Nothing here makes a system call of its own once the process has begun, so that it works in the jail too.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct faults {
	_Atomic uint32_t count; /* calls so far */
	uint32_t at; /* the one that fails */
	char what[248]; /* and what it was: "malloc of vrun: /usr/bin/vrun 0x1234" */
};

static struct faults *faults;
static const char *program;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("VRUN_FAULTS");
	struct faults *map;
	int fd;

	program = program_invocation_short_name;
	if (!path || (strcmp(program, "vrun") != 0 && strcmp(program, "vrun-vmm") != 0))
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(*map), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return;
	faults = map;
}

/* A number in hexadecimal, without what stdio might call. */
static char *put_hex(char *at, uintptr_t value)
{
	for (int shift = 44; shift >= 0; shift -= 4)
		*at++ = "0123456789abcdef"[value >> shift & 15];
	return at;
}

static int fails(const char *call, const void *from)
{
	Dl_info info;
	char *at;
	int known;

	if (!faults)
		return 0;
	/* libseccomp 2.5 writes to memory that it did not get: a fault of its own, and thousands of calls. */
	known = dladdr(from, &info);
	if (known && strstr(info.dli_fname, "/libseccomp.so"))
		return 0;
	if (atomic_fetch_add(&faults->count, 1) + 1 != faults->at)
		return 0;
	at = stpcpy(faults->what, call);
	at = stpcpy(at, " of ");
	at = stpcpy(at, program);
	if (known && strlen(info.dli_fname) < 60) {
		at = stpcpy(at, ": ");
		at = stpcpy(at, info.dli_fname);
		at = stpcpy(at, " 0x");
		at = put_hex(at, (uintptr_t)from - (uintptr_t)info.dli_fbase);
	}
	*at = '\0';
	return 1;
}

#define FAILS(call, error) (fails(call, __builtin_return_address(0)) && (errno = (error), 1))
#define REAL(name)                                                                                           \
	static __typeof__(name) *real;                                                                       \
	if (!real)                                                                                           \
	real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

void *malloc(size_t size)
{
	return FAILS("malloc", ENOMEM) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return FAILS("calloc", ENOMEM) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return FAILS("realloc", ENOMEM) ? NULL : __libc_realloc(p, size);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	REAL(mmap);
	return FAILS("mmap", ENOMEM) ? MAP_FAILED : real(addr, len, prot, flags, fd, offset);
}

/* Both take a mode where they need one, and pass over it where they don't. */
int open(const char *path, int flags, ...)
{
	REAL(open);
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return FAILS("open", EMFILE) ? -1 : real(path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	REAL(openat);
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return FAILS("openat", EMFILE) ? -1 : real(dir, path, flags, mode);
}

FILE *fopen(const char *path, const char *mode)
{
	REAL(fopen);
	return FAILS("fopen", EMFILE) ? NULL : real(path, mode);
}

DIR *opendir(const char *path)
{
	REAL(opendir);
	return FAILS("opendir", EMFILE) ? NULL : real(path);
}

int ioctl(int fd, unsigned long request, ...)
{
	REAL(ioctl);
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	return FAILS("ioctl", EIO) ? -1 : real(fd, request, arg);
}

int fcntl(int fd, int command, ...)
{
	REAL(fcntl);
	va_list ap;
	void *arg;

	va_start(ap, command);
	arg = va_arg(ap, void *);
	va_end(ap);
	/* F_GETFD asks whether there is one: "no" is no failure. */
	return command != F_GETFD && FAILS("fcntl", EMFILE) ? -1 : real(fd, command, arg);
}

int socket(int domain, int type, int protocol)
{
	REAL(socket);
	return FAILS("socket", EMFILE) ? -1 : real(domain, type, protocol);
}

int socketpair(int domain, int type, int protocol, int fds[2])
{
	REAL(socketpair);
	return FAILS("socketpair", EMFILE) ? -1 : real(domain, type, protocol, fds);
}

int pipe2(int fds[2], int flags)
{
	REAL(pipe2);
	return FAILS("pipe2", EMFILE) ? -1 : real(fds, flags);
}

pid_t fork(void)
{
	REAL(fork);
	return FAILS("fork", EAGAIN) ? -1 : real();
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	REAL(pthread_create);
	return FAILS("pthread_create", EAGAIN) ? EAGAIN : real(thread, attr, fn, arg);
}

int eventfd(unsigned count, int flags)
{
	REAL(eventfd);
	return FAILS("eventfd", EMFILE) ? -1 : real(count, flags);
}

int epoll_create1(int flags)
{
	REAL(epoll_create1);
	return FAILS("epoll_create1", EMFILE) ? -1 : real(flags);
}

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	REAL(epoll_ctl);
	/* Only what takes memory can fail so. */
	return op == EPOLL_CTL_ADD && FAILS("epoll_ctl", ENOMEM) ? -1 : real(epfd, op, fd, event);
}

int memfd_create(const char *name, unsigned flags)
{
	REAL(memfd_create);
	return FAILS("memfd_create", ENFILE) ? -1 : real(name, flags);
}
