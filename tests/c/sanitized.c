/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The sqlmail.sendmail project
 */

/*
**  SANITIZED.C -- linked into the sendmail that soak.py runs
**
**	sendmail empties its environment and writes its title over it, so
**	the sanitizer gets its options here.  REPORTS is a directory.
*/

#include <stddef.h>
#include <string.h>

const char	*__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "log_path=" REPORTS "/report:exitcode=0:quarantine_size_mb=1:malloc_context_size=30";
}

/* before it reads anything it would wait a minute for a name with a dot */
int
gethostname(char *name, size_t size)
{
	strncpy(name, "mx.soak.test", size);
	return 0;
}
