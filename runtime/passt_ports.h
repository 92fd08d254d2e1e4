/* SPDX-License-Identifier: Apache-2.0 */
/* passt_ports: the list of published ports, read (passt.h, `publish`). */
#ifndef VRUN_RUNTIME_PASST_PORTS_H
#define VRUN_RUNTIME_PASST_PORTS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct err;

enum { PASST_PORTS_MAX = 64, PASST_SPEC_MAX = INET6_ADDRSTRLEN + 24 };

struct passt_ports {
	bool udp;
	char address[INET6_ADDRSTRLEN]; /* "": any */
	uint16_t first, last; /* the host's */
	uint16_t to; /* the guest's, for `first` */
};

/* At most PASST_PORTS_MAX of them. */
int passt_ports_parse(const char *publish, struct passt_ports ret[static PASST_PORTS_MAX], unsigned *ret_n,
		      struct err *err);
/* As the value of passt's options -t and -u. */
void passt_ports_spec(const struct passt_ports *ports, char ret[static PASST_SPEC_MAX]);
/* -EADDRINUSE and the like: passt itself does not tell when a port of one family is taken. */
int passt_ports_check_free(const struct passt_ports *ports, struct err *err);

#endif
