#include "echod/exporter/http.h"

#include "echod/exporter/metrics.h"
#include "page.h" /* made of page.html, page.css and page.js */

#include <microhttpd.h>
#include <string.h>
#include <unistd.h>

/* Queues a response, which it takes over, with the headers that all have. */
static enum MHD_Result
answer(struct MHD_Connection *connection, unsigned status, const char *type,
        struct MHD_Response *response)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Content-Security-Policy", PAGE_POLICY);
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
answer_text(struct MHD_Connection *connection, unsigned status, const char *text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
	        /* NOLINTNEXTLINE(performance-no-int-to-ptr): takes const away */
	        strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);

	if (response && status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	return answer(connection, status, "text/plain; charset=utf-8", response);
}

static void
read_daemons(struct http_exporter *exporter)
{
	if (exporter->finds)
		reader_find(&exporter->reader); /* without memory: those known so far */
	reader_read(&exporter->reader, HTTP_SCRAPE_MS);
}

static enum MHD_Result
answer_metrics(struct MHD_Connection *connection, struct http_exporter *exporter)
{
	size_t length;
	char *text;

	read_daemons(exporter);
	text = metrics_merge(&exporter->reader, &length);
	if (!text)
		return MHD_NO;
	return answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
	        MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE));
}

static enum MHD_Result
answer_health(struct MHD_Connection *connection, struct http_exporter *exporter)
{
	bool well;

	read_daemons(exporter);
	well = exporter->reader.count > 0;
	for (size_t i = 0; i < exporter->reader.count; i++)
		well &= exporter->reader.sources[i]->error == 0 &&
		        reader_sum(exporter->reader.sources[i], "echod_stopping") == 0;
	return well ? answer_text(connection, MHD_HTTP_OK, "ok\n")
	            : answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
	                      "a daemon stops or does not answer, or there is none\n");
}

static enum MHD_Result
http_on_request(void *owner, struct MHD_Connection *connection, const char *url, const char *method,
        const char *version, const char *body, size_t *body_size, void **request)
{
	(void)version;
	(void)body;
	if (!*request) { /* the headers have come; the answer waits for the end of the request */
		*request = owner;
		return MHD_YES;
	}
	if (*body_size > 0) { /* a body is ignored */
		*body_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(
		        connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD, no more\n");
	if (strcmp(url, "/metrics") == 0)
		return answer_metrics(connection, owner);
	if (strcmp(url, "/healthz") == 0)
		return answer_health(connection, owner);
	if (strcmp(url, "/") == 0)
		return answer(connection, MHD_HTTP_OK, "text/html; charset=utf-8",
		        MHD_create_response_from_buffer(
		                /* NOLINTNEXTLINE(performance-no-int-to-ptr): as above */
		                sizeof(page), (void *)(uintptr_t)page, MHD_RESPMEM_PERSISTENT));
	return answer_text(connection, MHD_HTTP_NOT_FOUND, "/, /metrics and /healthz, no more\n");
}

struct MHD_Daemon *
http_new(struct http_exporter *exporter, int listen_fd)
{
	return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, http_on_request, exporter,
	        MHD_OPTION_LISTEN_SOCKET, (MHD_socket)listen_fd, MHD_OPTION_CONNECTION_LIMIT,
	        (unsigned)HTTP_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_MEMORY,
	        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_S, MHD_OPTION_END);
}

int
http_fd(struct MHD_Daemon *http)
{
	return MHD_get_daemon_info(http, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

int
http_timeout_ms(struct MHD_Daemon *http)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	return MHD_get_timeout(http, &timeout_ms) == MHD_YES ? (int)timeout_ms : -1;
}

void
http_run(struct MHD_Daemon *http)
{
	MHD_run(http);
}

void
http_free(struct MHD_Daemon *http)
{
	MHD_stop_daemon(http); /* closes listen_fd, too */
}
