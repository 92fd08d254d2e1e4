/* SPDX-License-Identifier: Apache-2.0 */
/* Published ports as people write them; and who may have which kind of network. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "oci/spec.h"
#include "runtime/config.h"
#include "runtime/passt_ports.h"
#include "runtime/plan.h"

#include <arpa/inet.h>
#include <sys/socket.h>

static void ports_become_passts_options(void **state)
{
	static const struct {
		const char *publish, *spec;
		bool udp;
	} good[] = {
		{ "8080:80", "8080-8080:80-80", false },
		{ "1:65535/tcp", "1-1:65535-65535", false },
		{ "5353:53/udp", "5353-5353:53-53", true },
		{ "192.0.2.1:80:81", "192.0.2.1/80-80:81-81", false },
		{ "[2001:db8::1]:80:81/udp", "2001:db8::1/80-80:81-81", true },
		{ "8000-8009:9000-9009", "8000-8009:9000-9009", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct passt_ports ports[PASST_PORTS_MAX];
		char spec[PASST_SPEC_MAX];
		struct err err = ERR_INIT;
		unsigned n;

		if (passt_ports_parse(good[i].publish, ports, &n, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(n, 1);
		passt_ports_spec(&ports[0], spec);
		assert_string_equal(spec, good[i].spec);
		assert_int_equal(ports[0].udp, good[i].udp);
	}
}

static void several_stand_behind_commas(void **state)
{
	struct passt_ports ports[PASST_PORTS_MAX];
	struct err err = ERR_INIT;
	char many[6 * (PASST_PORTS_MAX + 1)] = "1:1";
	unsigned n;

	(void)state;
	assert_int_equal(passt_ports_parse(NULL, ports, &n, &err), 0);
	assert_int_equal(n, 0);
	assert_int_equal(passt_ports_parse("80:80,81:81/udp,[::1]:5:5", ports, &n, &err), 0);
	assert_int_equal(n, 3);
	assert_true(ports[1].udp);
	assert_string_equal(ports[2].address, "::1");
	for (unsigned i = 1; i < PASST_PORTS_MAX; i++)
		strcat(many, ",1:1");
	assert_int_equal(passt_ports_parse(many, ports, &n, &err), 0);
	assert_int_equal(n, PASST_PORTS_MAX);
	strcat(many, ",1:1");
	assert_int_equal(passt_ports_parse(many, ports, &n, &err), -E2BIG);
}

static void what_is_no_port_is_refused(void **state)
{
	static const char *const bad[] = { "80",	  "80:",
					   ":80",	  "a:80",
					   "80:a",	  "0:80",
					   "80:0",	  "65536:80",
					   "80:65536",	  "99999999999999999999:1",
					   "80:80/sctp",  "80:80/",
					   "1.2.3:80:80", "::1:80:80",
					   "[::1:80:80",  "[1.2.3.4]:80:80",
					   "9-8:9-8",	  "8-9:8-10",
					   "8-9:8",	  "-8:8",
					   "8-:8",	  "80:80,",
					   ",",		  "80:80 ",
					   " 80:80",	  "example.org:80:80",
					   "80:80,,81:81" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct passt_ports ports[PASST_PORTS_MAX];
		struct err err = ERR_INIT;
		unsigned n;

		if (passt_ports_parse(bad[i], ports, &n, &err) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_non_null(strstr(err.text, "\""));
	}
}

static void a_port_that_is_taken_is_found_out(void **state)
{
	const struct sockaddr_in local = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in got;
	socklen_t len = sizeof(got);
	struct passt_ports ports = { .udp = false };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(bind(fd, (const struct sockaddr *)&local, sizeof(local)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&got, &len), 0);
	ports.first = ports.last = ntohs(got.sin_port);
	ports.to = 80;
	assert_int_equal(passt_ports_check_free(&ports, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "publishing TCP port"));
	strcpy(ports.address, "127.0.0.2");
	assert_int_equal(passt_ports_check_free(&ports, NULL), 0);
	strcpy(ports.address, "127.0.0.1");
	assert_int_equal(passt_ports_check_free(&ports, NULL), -EADDRINUSE);
	ports.udp = true;
	assert_int_equal(passt_ports_check_free(&ports, NULL), 0);
	close(fd);
}

/* --- plan_net() --- */

#define HOST "[]"
#define OWN "[{\"type\":\"network\"}]"
#define PATH "[{\"type\":\"network\",\"path\":\"/run/netns/x\"}]"

static void kinds_of_network(void **state)
{
	static const struct {
		const char *namespaces, *net, *publish;
		enum config_source source;
		int r;
		enum config_net kind;
		const char *message;
	} cases[] = {
		{ OWN, NULL, NULL, 0, 0, CONFIG_NET_NAMESPACE, NULL },
		{ PATH, NULL, NULL, 0, 0, CONFIG_NET_NAMESPACE, NULL },
		{ HOST, NULL, NULL, 0, -ENOTSUP, 0, "linux.namespaces: there is no network namespace" },
		{ HOST, "none", NULL, CONFIG_OPTION, 0, CONFIG_NET_NONE, NULL },
		{ PATH, "none", NULL, CONFIG_ANNOTATION, 0, CONFIG_NET_NONE, NULL },
		{ HOST, "passt", NULL, CONFIG_FILE, 0, CONFIG_NET_PASST, NULL },
		{ HOST, "passt", NULL, CONFIG_ANNOTATION, 0, CONFIG_NET_PASST, NULL },
		{ HOST, "passt", "8080:80", CONFIG_OPTION, 0, CONFIG_NET_PASST, NULL },
		{ OWN, "passt", NULL, CONFIG_FILE, 0, CONFIG_NET_NAMESPACE, NULL },
		{ PATH, "passt", NULL, CONFIG_FILE, 0, CONFIG_NET_NAMESPACE, NULL },
		{ OWN, "passt", NULL, CONFIG_OPTION, 0, CONFIG_NET_PASST, NULL },
		/* An image's annotation is no way out of a namespace. */
		{ OWN, "passt", NULL, CONFIG_ANNOTATION, -EPERM, 0, "annotations[\"org.vrun.net\"]" },
		{ PATH, "passt", NULL, CONFIG_ANNOTATION, -EINVAL, 0, "linux.namespaces[network].path" },
		{ PATH, "passt", NULL, CONFIG_OPTION, -EINVAL, 0, "linux.namespaces[network].path" },
		{ HOST, "passt", "80", CONFIG_OPTION, -EINVAL, 0, "publish: \"80\"" },
		{ OWN, NULL, "8080:80", CONFIG_OPTION, -EINVAL, 0, "publish: only net = passt" },
		{ HOST, "none", "8080:80", CONFIG_OPTION, -EINVAL, 0, "publish: only net = passt" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_oci_spec_ struct oci_spec *spec = NULL;
		_cleanup_config_ struct config config;
		_cleanup_free_ char *text = NULL;
		enum config_net kind = 77;
		struct err err = ERR_INIT;

		assert_true(asprintf(&text, "{\"ociVersion\":\"1.2.0\",\"linux\":{\"namespaces\":%s}}",
				     cases[i].namespaces) > 0);
		assert_int_equal(oci_spec_parse(text, strlen(text), "config.json", &spec, &err), 0);
		config_init(&config);
		if (cases[i].net)
			assert_int_equal(config_set(&config, CONFIG_NET, cases[i].net, cases[i].source, &err),
					 0);
		if (cases[i].publish)
			assert_int_equal(
				config_set(&config, CONFIG_PUBLISH, cases[i].publish, CONFIG_OPTION, &err),
				0);
		if (plan_net(&config, spec, &kind, &err) != cases[i].r)
			fail_msg("case %zu: %s", i, err.text);
		if (cases[i].message && !strstr(err.text, cases[i].message))
			fail_msg("\"%s\" is not in \"%s\"", cases[i].message, err.text);
		if (cases[i].r < 0)
			continue;
		assert_int_equal(kind, cases[i].kind);
		assert_true(spec->linux_.namespaces[OCI_NS_NETWORK].wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_become_passts_options),
		cmocka_unit_test(several_stand_behind_commas),
		cmocka_unit_test(what_is_no_port_is_refused),
		cmocka_unit_test(a_port_that_is_taken_is_found_out),
		cmocka_unit_test(kinds_of_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
