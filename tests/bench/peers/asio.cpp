// An echo server as one writes it with Boost.Asio, one thread (concurrency hint 1: no locks).
#include <boost/asio.hpp>
#include <array>
#include <cstdlib>
#include <memory>

using boost::asio::ip::tcp;
using boost::asio::ip::udp;

class session : public std::enable_shared_from_this<session> {
	static constexpr std::size_t buffer_size = 64 * 1024;
	tcp::socket socket_;
	std::unique_ptr<char[]> buffer_{new char[buffer_size]};

    public:
	explicit session(tcp::socket socket) : socket_(std::move(socket)) {}

	void read()
	{
		socket_.async_read_some(boost::asio::buffer(buffer_.get(), buffer_size),
			[self = shared_from_this()](boost::system::error_code error, std::size_t length) {
				if (!error)
					self->write(length);
			});
	}

	void write(std::size_t length)
	{
		boost::asio::async_write(socket_, boost::asio::buffer(buffer_.get(), length),
			[self = shared_from_this()](boost::system::error_code error, std::size_t) {
				if (!error)
					self->read();
			});
	}
};

static void accept_next(tcp::acceptor &acceptor)
{
	acceptor.async_accept([&acceptor](boost::system::error_code error, tcp::socket socket) {
		if (!error) {
			socket.set_option(tcp::no_delay(true));
			std::make_shared<session>(std::move(socket))->read();
		}
		accept_next(acceptor);
	});
}

class datagrams {
	std::array<char, 64 * 1024> buffer_;
	udp::socket socket_;
	udp::endpoint peer_;

    public:
	datagrams(boost::asio::io_context &context, const udp::endpoint &endpoint) : socket_(context, endpoint)
	{
		socket_.set_option(udp::socket::receive_buffer_size(4 << 20));
	}

	void receive()
	{
		socket_.async_receive_from(boost::asio::buffer(buffer_), peer_,
			[this](boost::system::error_code error, std::size_t length) {
				if (error)
					receive();
				else
					send(length);
			});
	}

	void send(std::size_t length)
	{
		socket_.async_send_to(boost::asio::buffer(buffer_.data(), length), peer_,
			[this](boost::system::error_code, std::size_t) { receive(); });
	}
};

int main(int argc, char **argv)
{
	boost::asio::io_context context(1);
	tcp::acceptor acceptor(context);
	tcp::endpoint endpoint(boost::asio::ip::address_v4::loopback(),
		static_cast<unsigned short>(std::atoi(argc > 1 ? argv[1] : "0")));

	datagrams socket(context, udp::endpoint(endpoint.address(), endpoint.port()));

	socket.receive();
	acceptor.open(endpoint.protocol());
	acceptor.set_option(tcp::acceptor::reuse_address(true));
	acceptor.bind(endpoint);
	acceptor.listen(4096);
	accept_next(acceptor);
	context.run();
}
