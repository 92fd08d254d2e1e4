/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_fs: FUSE requests over a share in a small tmpfs, and a look afterwards at
 * what lies beside the share: nothing there may have changed.
 *
 * Needs the sandbox's mount namespace, for the tmpfs.
 */
#include "tests/fuzz/fuzz.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "tests/unit/fs_client.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum { HANDLES = 4, NODES = 16 };

static char top[] = "/tmp/vrun-fuzz-fs-XXXXXX";
static const char secret[] = "beside the share";

static const char *below(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	return path;
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fuzz_fs: ");
	perror(what);
	exit(1);
}

static void once(void)
{
	static bool done;
	int fd;

	if (done)
		return;
	done = true;
	must(mkdtemp(top) != NULL, top);
	must(mount("fuzz", top, "tmpfs", MS_NOSUID, "size=16m,nr_inodes=2000") == 0, "a tmpfs");
	must(setenv("TMPDIR", top, 1) == 0, "TMPDIR");
	fd = open(below("secret"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	must(fd >= 0 && fd_write_all(fd, secret, sizeof(secret)) == 0, "a file beside the share");
	close(fd);
}

/* Only what we made is there, as it was. */
static void check_outside(void)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_closedir_ DIR *dir = opendir(top);
	const struct dirent *d;
	unsigned n = 0;
	size_t len;

	FUZZ_REQUIRE(file_read(AT_FDCWD, below("secret"), 100, &text, &len) == 0);
	FUZZ_REQUIRE(len == sizeof(secret) && memcmp(text, secret, len) == 0);
	FUZZ_REQUIRE(dir);
	while ((d = readdir(dir)))
		n += d->d_name[0] != '.';
	/* The secret, the share, and the single file. */
	FUZZ_REQUIRE(n == 3);
}

/* Something for every kind of request. */
static void fill(const struct fs_client *c)
{
	int fd = open(fs_client_host(c, "f"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	FUZZ_REQUIRE(fd >= 0 && fd_write_all(fd, "0123456789", 10) == 0);
	close(fd);
	FUZZ_REQUIRE(mkdir(fs_client_host(c, "d"), 0755) == 0);
	FUZZ_REQUIRE(symlink("../secret", fs_client_host(c, "up")) == 0);
	FUZZ_REQUIRE(symlink("..", fs_client_host(c, "d/up")) == 0);
}

struct session {
	struct fs_client c;
	uint64_t nodes[NODES], handles[HANDLES];
	unsigned n_nodes, n_handles;
};

static uint64_t node(const struct session *s, struct fuzz_in *in)
{
	uint8_t which = fuzz_u8(in);

	return which == 0xff ? fuzz_number(in) : s->nodes[which % s->n_nodes];
}

/* What a reply told of is there to be named by later requests. */
static void note(struct session *s, uint32_t opcode)
{
	const struct fuse_entry_out *entry = fs_client_reply(&s->c);
	const struct fuse_open_out *open_out = fs_client_reply(&s->c);

	switch (opcode) {
	case FUSE_CREATE:
		open_out = (const void *)(entry + 1);
		s->handles[s->n_handles++ % HANDLES] = open_out->fh;
		/* fall through */
	case FUSE_LOOKUP:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
		if (s->n_nodes < NODES)
			s->nodes[s->n_nodes++] = entry->nodeid;
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		s->handles[s->n_handles++ % HANDLES] = open_out->fh;
		break;
	default:
		break;
	}
}

/*
 * The fixed part of the request is the input's, 8 bytes at a time, each of which may be one of the
 * session's numbers; then come names or data.
 */
static void request(struct session *s, struct fuzz_in *in)
{
	static const char *const names[] = { "f",  "d",	 "up",	 "new",	   "..", ".",
					     "rw", "ro", "d/up", "user.x", "" };
	uint8_t arg[64], rest[4096], op = fuzz_u8(in), words = fuzz_u8(in) % 8;
	uint32_t opcode = op == 0xff ? fuzz_u32(in) : op % 60;
	uint64_t nodeid = node(s, in);
	const uint8_t *bytes;
	size_t len = 0, n;

	for (unsigned i = 0; i < words; i++) {
		uint8_t what = fuzz_u8(in);
		uint64_t v = what & 0x80   ? fuzz_number(in)
			     : what & 0x40 ? node(s, in)
			     : what & 0x20 ? s->handles[what % HANDLES]
					   : what & 0x1f;

		memcpy(arg + 8 * i, &v, sizeof(v));
	}
	for (unsigned i = fuzz_u8(in) % 3; i > 0; i--) {
		uint8_t which = fuzz_u8(in) % (ARRAY_SIZE(names) + 2);

		if (which < ARRAY_SIZE(names)) {
			n = strlen(names[which]) + 1;
			memcpy(rest + len, names[which], n);
		} else {
			bytes = fuzz_bytes(in, fuzz_u8(in) * 4U, &n);
			memcpy(rest + len, bytes, n);
		}
		len += n;
	}
	s->c.room = op & 0x40 ? fuzz_u16(in) : 4096;
	if (fs_client_call(&s->c, opcode, nodeid, arg, 8U * words, rest, len) == 0 && opcode != FUSE_FORGET &&
	    opcode != FUSE_BATCH_FORGET && s->c.out_len >= sizeof(struct fuse_open_out))
		note(s, opcode);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	static struct session s;

	once();
	memset(&s, 0, sizeof(s));
	fs_client_make_dir(&s.c);
	fill(&s.c);
	fs_client_start(&s.c, NULL);
	s.nodes[0] = FUSE_ROOT_ID;
	s.nodes[1] = fs_client_rw(&s.c);
	s.nodes[2] = fs_client_ro(&s.c);
	s.n_nodes = 3;
	for (unsigned i = 0; i < 64 && in.left > 0; i++) {
		if (fuzz_u8(&in) == 0xff) { /* no header that is worth the name */
			size_t len;
			const uint8_t *bytes = fuzz_bytes(&in, fuzz_u8(&in), &len);

			(void)fs_client_raw(&s.c, bytes, len, fuzz_u8(&in));
		} else {
			request(&s, &in);
		}
	}
	fs_server_drop_kept(s.c.server);
	fs_client_stop(&s.c);
	check_outside();
	fs_client_remove_dir(&s.c);
	return 0;
}
