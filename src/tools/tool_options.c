#include "echod/tools/tool_options.h"

#include "echod/tools/resolver.h"

#include <stdio.h>
#include <stdlib.h>

enum { EXIT_USAGE = 2 };

enum option_outcome
tool_options_read(const struct option_table *table, int argc, char **argv, void *options,
        struct tool_target *target, uint64_t *given, char *problem, size_t size)
{
	struct option_settings settings = {0};
	int host;
	enum option_outcome outcome =
	        option_table_read(table, argc, argv, options, &settings, &host, problem, size);

	*given = 0;
	for (size_t i = 0; i < settings.count; i++)
		*given |= UINT64_C(1) << (settings.all[i].spec - table->specs);
	option_settings_free(&settings);
	if (outcome != OPTIONS_READ)
		return outcome;
	if (host >= argc)
		snprintf(problem, size, "HOST is missing");
	else if (argc - host > 1)
		snprintf(problem, size, "%s: one HOST at a time", argv[host + 1]);
	else if (target->ipv4 && target->ipv6)
		snprintf(problem, size, "--ipv6: not together with --ipv4");
	else
		target->host = argv[host];
	return target->host ? OPTIONS_READ : OPTIONS_WRONG;
}

int
tool_options_explain(const char *program, enum option_outcome outcome, const char *problem)
{
	if (outcome == OPTIONS_SHOWN)
		return EXIT_SUCCESS;
	fprintf(stderr, "%s: %s", program, problem);
	if (outcome == OPTIONS_WRONG)
		fprintf(stderr, " (see %s --help)", program);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

const char *
tool_target_fit(const struct tool_target *target, uint64_t size, const struct address *to)
{
	struct in_addr ipv4;

	return target->udp && size > TOOL_MAX_IPV4_DATAGRAM && address_as_ipv4(to, &ipv4)
	               ? "--size: must be at most 65507 bytes over UDP and IPv4"
	               : NULL;
}

const char *
tool_target_resolve(const struct tool_target *target, struct address *addresses, size_t *n)
{
	int family = target->ipv4 ? AF_INET : target->ipv6 ? AF_INET6 : AF_UNSPEC;

	return resolver_find(
	        target->host, (uint16_t)target->port, family, addresses, TOOL_MAX_ADDRESSES, n);
}
