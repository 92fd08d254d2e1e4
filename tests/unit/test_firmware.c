/* SPDX-License-Identifier: Apache-2.0 */
/* The ACPI tables and the MP table, read as a kernel reads them. */
#include "tests/unit/test.h"

#include "base/endian.h"
#include "vmm/arch/x86/acpi.h"
#include "vmm/arch/x86/aml.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/arch/x86/mptable.h"
#include "vmm/vm_spec.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

struct acpi {
	uint8_t buf[ACPI_TABLES_MAX];
	size_t len;
};

static void assert_sum_zero(const uint8_t *bytes, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + bytes[i]);
	assert_int_equal(sum, 0);
}

/* A table at guest address `gpa`: inside the buffer, its checksum right. */
static const uint8_t *table_at(const struct acpi *acpi, uint64_t gpa, uint32_t *ret_len)
{
	const uint8_t *t;

	assert_true(gpa >= LAYOUT_ACPI && gpa - LAYOUT_ACPI + 36 <= acpi->len);
	t = acpi->buf + (gpa - LAYOUT_ACPI);
	*ret_len = get_le32(t + 4);
	assert_true(*ret_len >= 36 && gpa - LAYOUT_ACPI + *ret_len <= acpi->len);
	assert_sum_zero(t, *ret_len);
	return t;
}

static const uint8_t *find_table(const struct acpi *acpi, const char *signature, uint32_t *ret_len)
{
	uint32_t xsdt_len;
	const uint8_t *xsdt = table_at(acpi, get_le64(acpi->buf + 24), &xsdt_len);

	assert_memory_equal(xsdt, "XSDT", 4);
	for (uint32_t i = 36; i < xsdt_len; i += 8) {
		const uint8_t *t = table_at(acpi, get_le64(xsdt + i), ret_len);

		if (memcmp(t, signature, 4) == 0)
			return t;
	}
	fail_msg("no table %s", signature);
	return NULL;
}

static void build(struct acpi *acpi, unsigned cpus)
{
	memset(acpi->buf, 0xcc, sizeof(acpi->buf));
	assert_int_equal(acpi_build(cpus, LAYOUT_ACPI, acpi->buf, sizeof(acpi->buf), &acpi->len), 0);
	assert_true(acpi->len <= LAYOUT_ACPI_SIZE);
}

static void test_rsdp_leads_to_all_tables(void **state)
{
	struct acpi acpi;
	uint32_t len;

	(void)state;
	build(&acpi, 1);
	assert_memory_equal(acpi.buf, "RSD PTR ", 8);
	assert_int_equal(acpi.buf[15], 2);
	assert_sum_zero(acpi.buf, 20);
	assert_sum_zero(acpi.buf, 36);
	find_table(&acpi, "FACP", &len);
	find_table(&acpi, "APIC", &len);
	find_table(&acpi, "MCFG", &len);
}

static void test_fadt_is_hardware_reduced_with_reset_and_power_off(void **state)
{
	struct acpi acpi;
	const uint8_t *fadt, *dsdt;
	uint32_t len, flags;

	(void)state;
	build(&acpi, 1);
	fadt = find_table(&acpi, "FACP", &len);
	assert_int_equal(len, 276);
	flags = get_le32(fadt + 112);
	assert_true(flags & 1U << 20); /* HW_REDUCED_ACPI */
	assert_true(flags & 1U << 10); /* RESET_REG_SUP */
	/* No PM timer, no SMI command port, no 8042, no VGA, no CMOS clock, and MSIs are fine. */
	assert_int_equal(get_le32(fadt + 76), 0);
	assert_int_equal(get_le32(fadt + 48), 0);
	assert_int_equal(get_le16(fadt + 109), 1 << 2 | 1 << 4 | 1 << 5);
	assert_int_equal(fadt[116], 1);
	assert_int_equal(get_le64(fadt + 120), ACPI_PORT_RESET);
	assert_int_equal(fadt[128], ACPI_RESET_VALUE);
	assert_int_equal(get_le64(fadt + 248), ACPI_PORT_SLEEP_CONTROL);
	assert_int_equal(get_le64(fadt + 260), ACPI_PORT_SLEEP_STATUS);
	dsdt = table_at(&acpi, get_le64(fadt + 140), &len);
	assert_memory_equal(dsdt, "DSDT", 4);
	assert_int_equal(get_le32(fadt + 40), get_le64(fadt + 140));
}

static void check_madt(unsigned cpus)
{
	struct acpi acpi;
	const uint8_t *madt;
	unsigned apics = 0, ioapics = 0;
	uint32_t len;

	build(&acpi, cpus);
	madt = find_table(&acpi, "APIC", &len);
	assert_int_equal(get_le32(madt + 36), LAYOUT_LAPIC);
	assert_int_equal(get_le32(madt + 40), 0);
	for (uint32_t i = 44; i < len; i += madt[i + 1]) {
		assert_true(madt[i + 1] >= 2 && i + madt[i + 1] <= len);
		if (madt[i] == 0) {
			assert_int_equal(madt[i + 3], apics);
			assert_int_equal(get_le32(madt + i + 4), 1);
			apics++;
		} else {
			assert_int_equal(madt[i], 1);
			assert_true(madt[i + 2] >= cpus);
			assert_int_equal(get_le32(madt + i + 4), LAYOUT_IOAPIC);
			ioapics++;
		}
	}
	assert_int_equal(apics, cpus);
	assert_int_equal(ioapics, 1);
}

static void test_madt_lists_each_cpu(void **state)
{
	(void)state;
	check_madt(1);
	check_madt(4);
	check_madt(VM_CPUS_MAX);
}

static void test_mcfg_names_the_ecam_of_bus_0(void **state)
{
	struct acpi acpi;
	const uint8_t *mcfg;
	uint32_t len;

	(void)state;
	build(&acpi, 1);
	mcfg = find_table(&acpi, "MCFG", &len);
	assert_int_equal(len, 60);
	assert_int_equal(get_le64(mcfg + 44), LAYOUT_ECAM);
	assert_int_equal(mcfg[54], 0);
	assert_int_equal(mcfg[55], 0);
}

static void test_small_buffer_is_an_error(void **state)
{
	uint8_t *buf;
	struct acpi acpi;
	size_t len = 7;

	(void)state;
	build(&acpi, 4);
	/* From the allocator, so that a byte too many is seen. */
	for (size_t size = 0; size < acpi.len; size++) {
		buf = malloc(size ? size : 1);
		assert_non_null(buf);
		assert_int_equal(acpi_build(4, LAYOUT_ACPI, buf, size, &len), -ENOSPC);
		assert_int_equal(len, 7);
		free(buf);
	}
}

/* ACPI's own compiler must read our DSDT, and find what we meant. */
static void test_iasl_reads_the_dsdt(void **state)
{
	char dir[] = "/tmp/vrun-acpi.XXXXXX", path[64], command[256], text[8192];
	const uint8_t *fadt, *dsdt;
	struct acpi acpi;
	uint32_t len;
	FILE *f;
	size_t n;

	(void)state;
	if (system("command -v iasl >/dev/null") != 0)
		skip();
	build(&acpi, 4);
	fadt = find_table(&acpi, "FACP", &len);
	dsdt = table_at(&acpi, get_le64(fadt + 140), &len);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/dsdt.aml", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(dsdt, 1, len, f), len);
	fclose(f);
	snprintf(command, sizeof(command),
		 "cd %s && iasl -d dsdt.aml >/dev/null 2>&1 && iasl dsdt.dsl >log 2>&1", dir);
	if (system(command) != 0)
		fail_msg("iasl refuses the DSDT: see %s", dir);
	snprintf(path, sizeof(path), "%s/dsdt.dsl", dir);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	assert_non_null(strstr(text, "EisaId (\"PNP0A08\")"));
	assert_non_null(strstr(text, "EisaId (\"PNP0C02\")"));
	assert_non_null(strstr(text, "WordBusNumber"));
	assert_non_null(strstr(text, "0xC0000000,         // Range Minimum"));
	assert_non_null(strstr(text, "0xDFFFFFFF,         // Range Maximum"));
	assert_non_null(strstr(text, "0xE8000000,         // Address Base"));
	assert_non_null(strstr(text, "Name (_S5"));
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

static void test_aml_package_too_long_is_an_overflow(void **state)
{
	static uint8_t buf[8192];
	struct aml aml = { .buf = buf, .size = sizeof(buf) };
	size_t mark = aml_open(&aml);

	(void)state;
	aml_zero(&aml, 0xfff - 2);
	aml_close(&aml, mark);
	assert_false(aml.overflow);
	assert_int_equal(buf[0], 0x4f);
	assert_int_equal(buf[1], 0xff);
	aml_zero(&aml, 1);
	aml_close(&aml, mark);
	assert_true(aml.overflow);
}

static void check_mptable(unsigned cpus)
{
	static const uint8_t sizes[] = { 20, 8, 8, 8, 8 };
	unsigned seen[5] = { 0 }, entries = 0;
	uint8_t buf[MPTABLE_MAX];
	const uint8_t *table, *p;
	size_t len;

	assert_int_equal(mptable_build(cpus, LAYOUT_EBDA, buf, sizeof(buf), &len), 0);
	assert_memory_equal(buf, "_MP_", 4);
	assert_int_equal(buf[8], 1);
	assert_int_equal(buf[9], 4);
	assert_sum_zero(buf, 16);
	assert_int_equal(get_le32(buf + 4), LAYOUT_EBDA + 16);
	table = buf + 16;
	assert_memory_equal(table, "PCMP", 4);
	assert_int_equal(get_le16(table + 4), len - 16);
	assert_sum_zero(table, len - 16);
	assert_int_equal(get_le32(table + 36), LAYOUT_LAPIC);
	for (p = table + 44; p < buf + len; p += sizes[*p]) {
		assert_true(*p < 5);
		if (*p == 0) {
			assert_int_equal(p[1], seen[0]);
			assert_int_equal(p[3], seen[0] == 0 ? 3 : 1);
		} else if (*p == 2) {
			assert_true(p[1] >= cpus);
			assert_int_equal(get_le32(p + 4), LAYOUT_IOAPIC);
		}
		seen[*p]++;
		entries++;
	}
	assert_ptr_equal(p, buf + len);
	assert_int_equal(entries, get_le16(table + 34));
	assert_int_equal(seen[0], cpus);
	assert_int_equal(seen[1], 1);
	assert_int_equal(seen[2], 1);
	/* Linux makes up sixteen where there is none. */
	assert_true(seen[3] > 0);
}

static void test_mp_table_lists_each_cpu(void **state)
{
	uint8_t buf[64];
	size_t len;

	(void)state;
	check_mptable(1);
	check_mptable(4);
	check_mptable(VM_CPUS_MAX);
	assert_int_equal(mptable_build(1, LAYOUT_EBDA, buf, sizeof(buf), &len), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rsdp_leads_to_all_tables),
		cmocka_unit_test(test_fadt_is_hardware_reduced_with_reset_and_power_off),
		cmocka_unit_test(test_madt_lists_each_cpu),
		cmocka_unit_test(test_mcfg_names_the_ecam_of_bus_0),
		cmocka_unit_test(test_small_buffer_is_an_error),
		cmocka_unit_test(test_iasl_reads_the_dsdt),
		cmocka_unit_test(test_aml_package_too_long_is_an_overflow),
		cmocka_unit_test(test_mp_table_lists_each_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
