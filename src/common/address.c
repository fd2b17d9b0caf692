#include "echod/common/address.h"

#include "echod/common/units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

/* Splits host and port; port_text becomes NULL when none is given. Returns 0 or -EINVAL. */
static int
split(char *text, char **host, char **port_text)
{
	char *colon = strchr(text, ':');

	*host = text;
	*port_text = NULL;
	if (text[0] == '[') {
		char *end = strchr(text, ']');

		if (!end || (end[1] != '\0' && end[1] != ':') ||
		        !memchr(text, ':', (size_t)(end - text)))
			return -EINVAL;
		*host = text + 1;
		if (end[1] == ':')
			*port_text = end + 2;
		*end = '\0';
	} else if (colon && !strchr(colon + 1, ':')) {
		*colon = '\0';
		*port_text = colon + 1;
	}
	return 0;
}

int
address_parse(const char *text, struct address *address, bool *has_port)
{
	struct addrinfo hints = {
	        .ai_flags = AI_NUMERICHOST, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	char copy[ADDRESS_TEXT_SIZE], *host, *port_text;
	uint64_t port = 0;
	int error;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return -EINVAL;
	if (split(copy, &host, &port_text) < 0)
		return -EINVAL;
	if (port_text && (units_parse_count(port_text, &port) < 0 || port > UINT16_MAX))
		return -EINVAL;
	/* inet_aton's short forms ("127.1", "0x7f000001") are more often a slip than meant */
	if (!strchr(host, ':') && inet_pton(AF_INET, host, &(struct in_addr){0}) != 1)
		return -EINVAL;
	error = getaddrinfo(host, NULL, &hints, &found);
	if (error)
		return error == EAI_MEMORY ? -ENOMEM : -EINVAL;
	*address = (struct address){.length = found->ai_addrlen};
	memcpy(&address->storage, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	address_set_port(address, (uint16_t)port);
	if (has_port)
		*has_port = port_text;
	return 0;
}

static void
format_local(const struct address *address, char *text, size_t size)
{
	size_t header = offsetof(struct sockaddr_un, sun_path);
	size_t length = address->length > header ? address->length - header : 0;
	const char *path = address->local.sun_path;

	if (length == 0)
		snprintf(text, size, "unix");
	else if (path[0] == '\0') /* unix(7): an abstract name, without a closing NUL */
		snprintf(text, size, "@%.*s", (int)(length - 1), path + 1);
	else
		snprintf(text, size, "%.*s", (int)length, path);
}

char *
address_format(const struct address *address, char *text, size_t size)
{
	char host[INET6_ADDRSTRLEN], scope[16] = "";
	struct in_addr ipv4;

	if (address_as_ipv4(address, &ipv4)) {
		inet_ntop(AF_INET, &ipv4, host, sizeof(host));
		snprintf(text, size, "%s:%u", host, address_port(address));
	} else if (address->any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof(host));
		if (address->in6.sin6_scope_id != 0)
			snprintf(scope, sizeof(scope), "%%%u", address->in6.sin6_scope_id);
		snprintf(text, size, "[%s%s]:%u", host, scope, address_port(address));
	} else if (address->any.sa_family == AF_UNIX) {
		format_local(address, text, size);
	} else {
		snprintf(text, size, "family=%u", address->any.sa_family);
	}
	return text;
}

const char *
address_protocol(const struct address *address, int type)
{
	int family = address->any.sa_family;
	bool internet = family == AF_INET || family == AF_INET6;

	if (type == SOCK_STREAM)
		return internet ? "tcp" : "stream";
	return internet ? "udp" : "datagram";
}

uint16_t
address_port(const struct address *address)
{
	switch (address->any.sa_family) {
	case AF_INET:
		return ntohs(address->in4.sin_port);
	case AF_INET6:
		return ntohs(address->in6.sin6_port);
	default:
		return 0;
	}
}

void
address_set_port(struct address *address, uint16_t port)
{
	switch (address->any.sa_family) {
	case AF_INET:
		address->in4.sin_port = htons(port);
		break;
	case AF_INET6:
		address->in6.sin6_port = htons(port);
		break;
	default:
		break;
	}
}

bool
address_as_ipv4(const struct address *address, struct in_addr *ipv4)
{
	if (address->any.sa_family == AF_INET) {
		*ipv4 = address->in4.sin_addr;
		return true;
	}
	if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->in6.sin6_addr)) {
		memcpy(ipv4, &address->in6.sin6_addr.s6_addr[12], sizeof(*ipv4));
		return true;
	}
	return false;
}

struct in6_addr
address_mapped(struct in_addr ipv4)
{
	struct in6_addr ipv6 = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	memcpy(&ipv6.s6_addr[12], &ipv4, sizeof(ipv4));
	return ipv6;
}

struct address
address_from_ipv6(const struct in6_addr *ipv6)
{
	struct address address = {.length = sizeof(address.in6),
	        .in6 = {.sin6_family = AF_INET6, .sin6_addr = *ipv6}};
	struct in_addr ipv4;

	if (address_as_ipv4(&address, &ipv4))
		address = (struct address){.length = sizeof(address.in4),
		        .in4 = {.sin_family = AF_INET, .sin_addr = ipv4}};
	return address;
}

bool
address_as_ipv6(const struct address *address, struct in6_addr *ipv6)
{
	if (address->any.sa_family == AF_INET)
		*ipv6 = address_mapped(address->in4.sin_addr);
	else if (address->any.sa_family == AF_INET6)
		*ipv6 = address->in6.sin6_addr;
	else
		return false;
	return true;
}
