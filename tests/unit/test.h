/* SPDX-License-Identifier: Apache-2.0 */
/* test: what every unit test includes; cmocka wants these headers before its own. */
#ifndef VRUN_TESTS_UNIT_TEST_H
#define VRUN_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#endif
