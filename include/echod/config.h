/*
 * The syntax of a configuration file, read by libinih: lines of "NAME = VALUE". See echod.conf(5).
 */
#pragma once

#include "echod/common/option_table.h"

#include <stddef.h>

/*
 * Calls on_setting with the settings of a file in their order; anything but OPTIONS_READ from it
 * ends the reading. Returns OPTIONS_READ, what on_setting has returned, or OPTIONS_WRONG or
 * OPTIONS_FAILED with a problem that names the file, and the line where there is one:
 * "/etc/echod/echod.conf:7: must be NAME = VALUE".
 */
enum option_outcome config_read(const char *file,
        enum option_outcome (*on_setting)(
                void *owner, const char *name, const char *value, unsigned line),
        void *owner, char *problem, size_t size);
