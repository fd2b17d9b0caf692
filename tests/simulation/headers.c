#include "headers.h"

#include "clock.h"
#include "random.h"

#include "echod/connection.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum {
	HEADER_MOST = 536,
	TEXT_MOST = 107,
};

const char *const headers_proxies[] = {
        "192.168.1.2", "192.168.1.4/32", "10.0.0.0/32", "2001:db8:0:2::/64", NULL};

bool
headers_from_proxy(const struct address *from)
{
	struct in_addr ipv4;

	if (address_as_ipv4(from, &ipv4))
		return ntohl(ipv4.s_addr) % 2 == 0;
	return from->in6.sin6_addr.s6_addr[7] == 2;
}

/* Few clients, so that each has many connections. */
static struct address
make_up_client(bool ipv6)
{
	struct address client = {.length = sizeof(client.in4), .in4 = {.sin_family = AF_INET}};
	uint8_t host = (uint8_t)(1 + random_below(3));

	if (ipv6)
		client = (struct address){.length = sizeof(client.in6),
		        .in6 = {.sin6_family = AF_INET6,
		                .sin6_addr = {.s6_addr = {0x20, 1, 0xd,
		                                      0xb8, [6] = 1, [7] = host, [15] = host}}}};
	else
		client.in4.sin_addr.s_addr = htonl(0xcb007100u + host);
	address_set_port(&client, (uint16_t)random_below(65536));
	return client;
}

static void
write_text(struct stream *s, bool names)
{
	bool ipv6 = random_one_in(2);
	char host[INET6_ADDRSTRLEN];
	char text[TEXT_MOST + 1];

	if (!names) {
		s->header_size = (uint32_t)snprintf(text, sizeof(text), "PROXY UNKNOWN%s\r\n",
		        random_one_in(2) ? " and what else" : "");
	} else {
		s->client = make_up_client(ipv6);
		inet_ntop(s->client.any.sa_family,
		        ipv6 ? (void *)&s->client.in6.sin6_addr : &s->client.in4.sin_addr, host,
		        sizeof(host));
		s->header_size = (uint32_t)snprintf(text, sizeof(text),
		        "PROXY TCP%d %s %s %u 50007\r\n", ipv6 ? 6 : 4, host,
		        ipv6 ? "::1" : "127.0.0.1", address_port(&s->client));
	}
	memcpy(s->header, text, s->header_size);
}

static void
write_binary(struct stream *s, bool names)
{
	static const unsigned char start[] = {
	        '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};
	bool ipv6 = random_one_in(2);
	uint32_t addresses = names ? ipv6 ? 36 : 12 : 0, at = sizeof(start);
	uint32_t rest = addresses + (uint32_t)random_below(HEADER_MOST - 16 - addresses + 1);
	uint16_t port;

	memcpy(s->header, start, at);
	s->header[at++] = names ? 0x21 : 0x20;
	s->header[at++] = names ? ipv6 ? 0x21 : 0x11 : 0;
	s->header[at++] = (unsigned char)(rest >> 8);
	s->header[at++] = (unsigned char)rest;
	s->header_size = at + rest;
	if (!names)
		return;
	s->client = make_up_client(ipv6);
	port = htons(address_port(&s->client));
	if (ipv6)
		memcpy(s->header + at, &s->client.in6.sin6_addr, 16);
	else
		memcpy(s->header + at, &s->client.in4.sin_addr, 4);
	memcpy(s->header + at + (ipv6 ? 32 : 8), &port, 2);
}

/* Wrong from its first bytes on, longer than any may be, cut short, or left out. */
static void
spoil(struct stream *s)
{
	s->header_bad = true;
	switch (random_below(4)) {
	case 0:
		s->header[random_below(6)] ^= 0x20;
		break;
	case 1:
		memset(s->header + s->header_size, 'x', HEADER_MOST + 1 - s->header_size);
		if (s->header[0] == 'P') { /* no line ends there */
			s->header[s->header_size - 1] = 'x';
		} else {
			s->header[14] = (HEADER_MOST + 1 - 16) >> 8;
			s->header[15] = (HEADER_MOST + 1 - 16) & 0xff;
		}
		s->header_size = HEADER_MOST + 1;
		break;
	case 2:
		s->header_bad = false;
		s->header_stop = (uint32_t)random_below(s->header_size);
		return;
	default:
		s->header_size = 0;
		break;
	}
	s->header_stop = s->header_size;
}

void
headers_make_up(struct stream *s, bool right)
{
	bool names = !random_one_in(4);

	s->header_due = true;
	if (random_one_in(2))
		write_text(s, names);
	else
		write_binary(s, names);
	s->header_stop = s->header_size;
	if (!right && random_one_in(4))
		spoil(s);
}

/* Without all of a header within its time, or with what is none. A look that failed may have been
 * the last. */
static bool
may_miss_header(const struct stream *s)
{
	uint64_t end_ns = s->opened_ns + HEADERS_TIME;
	bool whole = s->header_written == s->header_size && s->header_ns <= end_ns;

	if (s->header_bad && s->header_written + s->written > 0)
		return true;
	return (s->fin && s->header_written == 0) ||
	       (clock_now() >= end_ns && (!whole || s->header_bad || s->header_unsure));
}

unsigned
headers_reasons(const struct stream *s)
{
	if (s->client_refused)
		return 1u << CLOSE_SOURCE;
	return stream_awaits_header(s) && may_miss_header(s) ? 1u << CLOSE_PROXY : 0;
}
