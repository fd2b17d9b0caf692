#include "test.h"

#include "echod/tools/resolver.h"

#include <netdb.h>
#include <string.h>

int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
        struct addrinfo **found);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
        struct addrinfo **found);
void __real_freeaddrinfo(struct addrinfo *found);
void __wrap_freeaddrinfo(struct addrinfo *found);

/* A name with three addresses, in an order of the resolver's own. */
static struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
static struct sockaddr_in four = {.sin_family = AF_INET}, five = {.sin_family = AF_INET};
static struct addrinfo third = {
        .ai_addr = (struct sockaddr *)&five, .ai_addrlen = sizeof(five), .ai_family = AF_INET};
static struct addrinfo second = {.ai_addr = (struct sockaddr *)&six,
        .ai_addrlen = sizeof(six),
        .ai_family = AF_INET6,
        .ai_next = &third};
static struct addrinfo first = {.ai_addr = (struct sockaddr *)&four,
        .ai_addrlen = sizeof(four),
        .ai_family = AF_INET,
        .ai_next = &second};

int
__wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
        struct addrinfo **found)
{
	if (strcmp(host, "three.test") != 0)
		return __real_getaddrinfo(host, service, hints, found);
	assert_int_equal(hints->ai_family, AF_UNSPEC);
	*found = &first;
	return 0;
}

void
__wrap_freeaddrinfo(struct addrinfo *found)
{
	if (found != &first)
		__real_freeaddrinfo(found);
}

static void
numeric_addresses(void **state)
{
	struct address found[4];
	size_t n;
	char text[ADDRESS_TEXT_SIZE];

	(void)state;
	assert_null(resolver_find("127.0.0.5", 7, AF_UNSPEC, found, 4, &n));
	assert_int_equal(n, 1);
	assert_string_equal(address_format(&found[0], text, sizeof(text)), "127.0.0.5:7");
	assert_null(resolver_find("::1", 50007, AF_INET6, found, 4, &n));
	assert_int_equal(n, 1);
	assert_string_equal(address_format(&found[0], text, sizeof(text)), "[::1]:50007");
}

static void
the_family_is_kept_to(void **state)
{
	struct address found[4];
	size_t n;

	(void)state;
	assert_non_null(resolver_find("127.0.0.1", 7, AF_INET6, found, 4, &n));
	assert_non_null(resolver_find("::1", 7, AF_INET, found, 4, &n));
}

static void
all_addresses_in_the_resolvers_order(void **state)
{
	struct address found[4];
	size_t n;
	char text[ADDRESS_TEXT_SIZE];

	(void)state;
	four.sin_addr.s_addr = htonl(0xc0000204);
	five.sin_addr.s_addr = htonl(0xc0000205);
	assert_null(resolver_find("three.test", 7, AF_UNSPEC, found, 4, &n));
	assert_int_equal(n, 3);
	assert_string_equal(address_format(&found[0], text, sizeof(text)), "192.0.2.4:7");
	assert_string_equal(address_format(&found[1], text, sizeof(text)), "[::1]:7");
	assert_string_equal(address_format(&found[2], text, sizeof(text)), "192.0.2.5:7");
	assert_null(resolver_find("three.test", 7, AF_UNSPEC, found, 2, &n));
	assert_int_equal(n, 2);
}

static void
what_is_no_host_is_told_in_words(void **state)
{
	struct address found[4];
	size_t n;

	(void)state;
	assert_string_equal(
	        resolver_find("", 7, AF_UNSPEC, found, 4, &n), gai_strerror(EAI_NONAME));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(numeric_addresses),
	        cmocka_unit_test(the_family_is_kept_to),
	        cmocka_unit_test(all_addresses_in_the_resolvers_order),
	        cmocka_unit_test(what_is_no_host_is_told_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
