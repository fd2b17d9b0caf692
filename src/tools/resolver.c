#include "echod/tools/resolver.h"

#include <netdb.h>
#include <string.h>

const char *
resolver_find(
        const char *host, uint16_t port, int family, struct address *found, size_t size, size_t *n)
{
	/* the addresses are the same for datagrams; without a type each would come several times */
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM}, *list;
	int error = getaddrinfo(host, NULL, &hints, &list);

	if (error)
		return gai_strerror(error);
	*n = 0;
	for (const struct addrinfo *i = list; i && *n < size; i = i->ai_next) {
		struct address *address = &found[(*n)++];

		*address = (struct address){.length = i->ai_addrlen};
		memcpy(&address->storage, i->ai_addr, i->ai_addrlen);
		address_set_port(address, port);
	}
	freeaddrinfo(list);
	return NULL;
}
