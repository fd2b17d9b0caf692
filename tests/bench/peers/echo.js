// An echo server as one writes it with Node.js.
'use strict';
const net = require('net');
const server = net.createServer({allowHalfOpen: true, noDelay: true}, (peer) => {
	peer.on('error', () => peer.destroy());
	peer.pipe(peer);
});
server.listen({port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096});
