/* An echo server as one writes it with libuv: try to write at once, queue what is left. */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { BUFFER = 64 * 1024, BACKLOG = 4096 };

struct rest {
	uv_write_t request;
	uv_stream_t *stream;
	char bytes[];
};

static char buffer[BUFFER];

static void
on_closed(uv_handle_t *handle)
{
	free(handle);
}

static void
give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *into)
{
	(void)handle;
	(void)suggested;
	*into = uv_buf_init(buffer, BUFFER);
}

static void on_read(uv_stream_t *stream, ssize_t received, const uv_buf_t *from);

static void
on_written(uv_write_t *request, int status)
{
	struct rest *rest = (struct rest *)request;

	if (status == 0)
		uv_read_start(rest->stream, give_buffer, on_read);
	else if (!uv_is_closing((uv_handle_t *)rest->stream))
		uv_close((uv_handle_t *)rest->stream, on_closed);
	free(rest);
}

static void
on_read(uv_stream_t *stream, ssize_t received, const uv_buf_t *from)
{
	uv_buf_t all, left;
	struct rest *rest;
	int sent;

	if (received == 0)
		return;
	if (received < 0) {
		uv_close((uv_handle_t *)stream, on_closed);
		return;
	}
	all = uv_buf_init(from->base, (unsigned)received);
	sent = uv_try_write(stream, &all, 1);
	if (sent == received)
		return;
	if (sent < 0)
		sent = 0;
	rest = malloc(sizeof(*rest) + (size_t)(received - sent));
	rest->stream = stream;
	memcpy(rest->bytes, from->base + sent, (size_t)(received - sent));
	left = uv_buf_init(rest->bytes, (unsigned)(received - sent));
	uv_read_stop(stream);
	uv_write(&rest->request, stream, &left, 1, on_written);
}

static void
on_connection(uv_stream_t *listener, int status)
{
	uv_tcp_t *peer = malloc(sizeof(*peer));

	(void)status;
	uv_tcp_init(listener->loop, peer);
	if (uv_accept(listener, (uv_stream_t *)peer) == 0) {
		uv_tcp_nodelay(peer, 1);
		uv_read_start((uv_stream_t *)peer, give_buffer, on_read);
	} else {
		uv_close((uv_handle_t *)peer, on_closed);
	}
}

static void
on_datagram(uv_udp_t *socket, ssize_t length, const uv_buf_t *from, const struct sockaddr *peer,
        unsigned flags)
{
	uv_buf_t all = uv_buf_init(from->base, (unsigned)length);

	(void)flags;
	if (length >= 0 && peer)
		uv_udp_try_send(socket, &all, 1, peer);
}

int
main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	struct sockaddr_in address;
	uv_tcp_t listener;
	uv_udp_t datagrams;
	int size = 4 << 20;

	uv_ip4_addr("127.0.0.1", atoi(argc > 1 ? argv[1] : "0"), &address);
	uv_udp_init(loop, &datagrams);
	uv_tcp_init(loop, &listener);
	if (uv_udp_bind(&datagrams, (struct sockaddr *)&address, 0) ||
	        uv_udp_recv_start(&datagrams, give_buffer, on_datagram) ||
	        uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) ||
	        uv_listen((uv_stream_t *)&listener, BACKLOG, on_connection))
		return 1;
	uv_recv_buffer_size((uv_handle_t *)&datagrams, &size);
	return uv_run(loop, UV_RUN_DEFAULT);
}
