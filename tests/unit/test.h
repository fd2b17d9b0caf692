/* What every unit test includes, in the order that cmocka wants. */
#ifndef ECHOD_TEST_H
#define ECHOD_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#endif
