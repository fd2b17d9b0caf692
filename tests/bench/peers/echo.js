// An echo server as one writes it with Node.js.
'use strict';
const dgram = require('dgram');
const net = require('net');
const server = net.createServer({allowHalfOpen: true, noDelay: true}, (peer) => {
	peer.on('error', () => peer.destroy());
	peer.pipe(peer);
});
const datagrams = dgram.createSocket({type: 'udp4', recvBufferSize: 4 << 20});
datagrams.on('message', (message, peer) => datagrams.send(message, peer.port, peer.address));
datagrams.bind(Number(process.argv[2]), '127.0.0.1');
server.listen({port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096});
